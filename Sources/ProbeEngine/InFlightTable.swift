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

    /// The index of the target, or the hop limit, that the measurement files it under.
    public var subject: UInt32
    /// The measurement's own count under that subject.
    public var sequence: UInt32
    public var state: State
    /// Whether an ICMP error about it was told of.
    var wasReported = false
    /// The time of day that a timestamp request carried.
    public var originate = InternetTimestamp(rawValue: 0)
    /// When it was handed to the kernel, by the monotonic clock.
    public var sentAt: Timestamp
    /// The best stamp of the same moment so far.
    public var stamp: Stamp

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
        self.state = .pending
        self.sentAt = sentAt
        self.stamp = Stamp(nanoseconds: 0, clock: .user)
    }
}

/// The probes of the recent past, found by number in O(1).
///
/// Numbers are given in the order of sending, so that a ring holds them all: the oldest leaves at its head. Records
/// stay after their probe was answered or expired, because only they tell a late reply from a duplicate and both from
/// a forged one; they leave when the ring is full or when `forget` is told that they are too old to matter.
public struct InFlightTable: Sendable {
    /// The number of the oldest record that is kept.
    private var head: UInt64 = 1
    /// The number that the next probe gets.
    private var next: UInt64 = 1
    private var ring: [InFlightRecord]
    private let maximumCapacity: Int

    /// - Parameter maximumCapacity: how many records at most, a power of two; memory grows to it as needed.
    public init(maximumCapacity: Int = 1 << 20) {
        precondition(maximumCapacity > 0 && maximumCapacity & (maximumCapacity - 1) == 0)
        self.maximumCapacity = maximumCapacity
        ring = Array(
            repeating: InFlightRecord(subject: 0, sequence: 0, sentAt: Timestamp(nanoseconds: 0)),
            count: min(64, maximumCapacity))
    }

    /// How many records are kept.
    public var count: Int { Int(next - head) }

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
    public mutating func insert(_ record: InFlightRecord) -> ProbeID {
        if count == ring.count {
            if ring.count < maximumCapacity { grow() } else { head += 1 }
        }
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

    /// Lets go of the records at the head that were sent before `instant`. O(records that leave).
    public mutating func forget(sentBefore instant: Timestamp) {
        while head < next, ring[slot(head)].sentAt < instant, ring[slot(head)].state != .outstanding { head += 1 }
    }

    private func contains(_ id: ProbeID) -> Bool { id.rawValue >= head && id.rawValue < next }

    private func slot(_ number: UInt64) -> Int { Int(truncatingIfNeeded: number) & (ring.count - 1) }

    private mutating func grow() {
        var larger = ring + ring
        let mask = larger.count - 1
        for number in head..<next { larger[Int(truncatingIfNeeded: number) & mask] = ring[slot(number)] }
        ring = larger
    }
}
