/// What is kept of a target only where there are few: whatever needs more than a counter.
struct EchoDetail: Sendable {
    var order = OutcomeOrder()
    var lossRuns: LossRuns
    /// Of the last probe in the order of sending, nil if it was not answered in time.
    private var previous: TimeSpan?
    var delayVariation = DelayStatistics()
    var hostDelay = DelayStatistics()
    /// The shortest and the longest round trip of late replies.
    var late: ClosedRange<TimeSpan>?

    init(target: Int, interval: TimeSpan) { lossRuns = LossRuns(target: target, interval: interval) }

    mutating func settle(_ sequence: UInt32, sentAt: Timestamp, as outcome: OutcomeOrder.Outcome) {
        if order.settle(sequence, as: outcome) {
            while let entry = order.next() { take(entry) }
        } else if outcome != .lost {
            lossRuns.turnBack(sequence, sentAt: sentAt)
        }
    }

    /// Takes what has no outcome for what it is: nothing.
    mutating func finish() {
        while let entry = order.nextOfAny() { take(entry) }
    }

    private mutating func take(_ entry: OutcomeOrder.Entry) {
        lossRuns.add(entry)
        switch entry.outcome {
        case .answered(let roundTrip):
            if let previous {
                let difference = roundTrip.nanoseconds.subtractingReportingOverflow(previous.nanoseconds).partialValue
                delayVariation.record(TimeSpan(nanoseconds: Int64(clamping: difference.magnitude)))
            }
            previous = roundTrip
        case .unsent: break
        case .unknown, .late, .lost: previous = nil
        }
    }
}
