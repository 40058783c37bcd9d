import PacketFormats

/// A probe that was sent and what became of it so far.
public struct InFlightRecord: Sendable, BitwiseCopyable {
    public enum State: UInt8, Sendable, BitwiseCopyable {
        /// Taken from the measurement, not yet handed to the kernel.
        case pending
        case outstanding
        /// Its timeout passed; a reply is late.
        case expired
        /// A reply came in time, or late; a further one is a duplicate.
        case answered
        /// An ICMP error concluded it.
        case failed
        case unsent
        /// Its timeout passed, but the machine slept meanwhile and could not hear the answer.
        case unheard
    }

    /// When it was handed to the kernel, by the monotonic clock.
    public var sentAt: Timestamp
    private var stampNanoseconds: Int64 = 0
    /// The index of the target, or the hop limit, that the measurement files it under.
    public var subject: UInt32
    /// The measurement's own count under that subject.
    public var sequence: UInt32
    /// The time of day that a timestamp request carried.
    public var originate = InternetTimestamp(rawValue: 0)
    private var stampEpoch: UInt16 = 0
    public var state = State.pending
    private var marks: UInt8 = 0

    /// The best stamp of the moment of sending so far. Of the number of its epoch only the low half is kept.
    public var stamp: Stamp {
        get {
            Stamp(
                nanoseconds: stampNanoseconds, clock: marks & Self.kernelMark == 0 ? .user : .kernel,
                epoch: UInt32(stampEpoch))
        }
        set {
            stampNanoseconds = newValue.nanoseconds
            stampEpoch = UInt16(truncatingIfNeeded: newValue.epoch)
            marks = marks & ~Self.kernelMark | (newValue.clock == .kernel ? Self.kernelMark : 0)
        }
    }

    /// Whether an ICMP error about it was told of.
    var wasReported: Bool {
        get { marks & Self.reportedMark != 0 }
        set { marks = marks & ~Self.reportedMark | (newValue ? Self.reportedMark : 0) }
    }

    /// Takes a stamp of sending if it is no worse than the one there. A kernel's may be told long after, and belongs to
    /// the clock epoch of the sending.
    mutating func take(_ stamp: Stamp) {
        guard stamp.clock == .kernel || self.stamp.clock == .user else { return }
        let epoch = state == .pending ? stamp.epoch : self.stamp.epoch
        self.stamp = Stamp(nanoseconds: stamp.nanoseconds, clock: stamp.clock, epoch: epoch)
    }

    public init(subject: UInt32, sequence: UInt32, sentAt: Timestamp) {
        self.subject = subject
        self.sequence = sequence
        self.sentAt = sentAt
    }

    private static let kernelMark: UInt8 = 1
    private static let reportedMark: UInt8 = 2
}

/// The probes of the recent past, found by number in O(1).
///
/// Numbers are given in the order of sending, so that a ring holds them all: the oldest leaves at its head. Records
/// stay after their probe was answered or expired, because only they tell a late reply from a duplicate and both from
/// a forged one; they leave when the ring is full or when `forget` is told that they are too old to matter.
///
/// The ring grows where it ends, in storage that is reserved at once and costs memory only where it was written. So it
/// never holds more than the records and an eighth, and nothing is copied while it grows at a steady rate.
public struct InFlightTable: Sendable {
    /// The number of the oldest record that is kept.
    private var head: UInt64 = 1
    /// The number that the next probe gets.
    private var next: UInt64 = 1
    /// The records of this lap lie at the start, behind them those of the lap before.
    private var ring: [InFlightRecord] = []
    /// The numbers that the first slot had when this lap and the one before began.
    private var lap: UInt64 = 1
    private var formerLap: UInt64 = 1
    private let maximumCapacity: Int

    /// - Parameter maximumCapacity: how many records at most, a power of two; memory grows to it as needed.
    public init(maximumCapacity: Int = 1 << 20) {
        precondition(maximumCapacity > 0 && maximumCapacity & (maximumCapacity - 1) == 0)
        self.maximumCapacity = maximumCapacity
    }

    /// How many records are kept.
    public var count: Int { Int(next - head) }

    /// Slots that were ever used: what the table costs, in records.
    var slots: Int { ring.count }

    /// The number that the last probe got, 0 before the first.
    public var latest: ProbeID { ProbeID(rawValue: next - 1) }

    /// The oldest number that is kept; higher than `latest` when none is.
    public var oldest: ProbeID { ProbeID(rawValue: head) }

    /// Whether a new record would push out one whose probe is still outstanding.
    public var isFull: Bool {
        guard count == maximumCapacity else { return false }
        switch ring[slot(head)].state {
        case .pending, .outstanding: return true
        case .expired, .answered, .failed, .unsent, .unheard: return false
        }
    }

    /// Files a probe and numbers it. The oldest record leaves when the table is at its maximum. O(1) amortised.
    ///
    /// - Parameter horizon: instead of growing beyond `heldInAnyCase` records the table forgets those that were sent
    ///   before; nil to remember as many as it can.
    public mutating func insert(_ record: InFlightRecord, forgetting horizon: Timestamp? = nil) -> ProbeID {
        let end = Int(next - lap)
        if end == ring.count {
            if let horizon, end >= Self.heldInAnyCase { forget(sentBefore: horizon) }
            // Only when enough of the ring is free this lap will reach its end before the records there are too old.
            let isRoomy = lap < head && Int(head - lap) >= max(Self.leastFree, end / 8)
            if end == maximumCapacity || isRoomy {
                startLap()
            } else {
                if end == Self.firstReserve { ring.reserveCapacity(maximumCapacity) }
                ring.append(record)
                next += 1
                return latest
            }
        }
        makeRoom(horizon)
        ring[slot(next)] = record
        next += 1
        return latest
    }

    /// The record of this number, nil when there is none or it has left.
    public subscript(id: ProbeID) -> InFlightRecord? {
        get { contains(id) ? ring[slot(id.rawValue)] : nil }
        set {
            guard contains(id), let newValue else { return }
            ring[slot(id.rawValue)] = newValue
        }
    }

    /// Lets go of the records at the head that were sent before `instant`, up to one whose probe is still on its way.
    /// O(records that leave).
    public mutating func forget(sentBefore instant: Timestamp) {
        while head < next {
            let record = ring[slot(head)]
            guard record.sentAt < instant, record.state != .outstanding, record.state != .pending else { return }
            head += 1
        }
    }

    private func contains(_ id: ProbeID) -> Bool { id.rawValue >= head && id.rawValue < next }

    private func slot(_ number: UInt64) -> Int { Int(truncatingIfNeeded: number - (number < lap ? formerLap : lap)) }

    private mutating func startLap() {
        formerLap = lap
        lap = next
    }

    /// Sees to it that the slot of the next record is free, where this lap has caught up with the one before.
    private mutating func makeRoom(_ horizon: Timestamp?) {
        guard head < lap, slot(head) == Int(next - lap) else { return }
        if let horizon, ring.count >= Self.heldInAnyCase { forget(sentBefore: horizon) }
        guard head < lap, slot(head) == Int(next - lap) else { return }
        if ring.count == maximumCapacity {
            head += 1
        } else {
            straighten()
        }
    }

    /// Puts the oldest record first and leaves room behind the latest. O(n).
    private mutating func straighten() {
        var straight: [InFlightRecord] = []
        straight.reserveCapacity(maximumCapacity)
        straight += ring[slot(head)...]
        straight += ring[..<slot(head)]
        // The slot for the next record, which the caller fills.
        straight.append(straight[0])
        ring = straight
        lap = head
        formerLap = head
    }

    /// So many records are remembered however old they are.
    static let heldInAnyCase = 1 << 14
    /// From so many on the storage is reserved to its end.
    private static let firstReserve = 64
    private static let leastFree = 64
}
