/// A probe of a sweep and what became of it so far: 32 octets.
struct HostRecord: Sendable, BitwiseCopyable {
    enum State: UInt8, Sendable, BitwiseCopyable {
        /// Taken from the measurement, not yet handed to the kernel.
        case pending
        case outstanding
        /// Its target is to be asked again: by a retry, or once more because nobody could hear its answer.
        case waiting
        /// Another probe went to its target; `next` is that one's number.
        case superseded
        /// Its target was decided without an answer to it.
        case settled
        case answered
        case unsent
    }

    /// The index of the target in the space.
    var target: UInt32
    /// 0 for the first probe to the target.
    var attempt: UInt8
    /// How often the target was asked again for nothing.
    var repeats: UInt8
    /// The low octet of the stamp's epoch.
    private var epoch: UInt8 = 0
    /// The state and five flags.
    private var bits: UInt8 = 0
    /// When it was handed to the kernel, by the monotonic clock.
    var sentAt: Timestamp
    /// The best stamp of the same moment so far; of a timestamp request what it carries.
    private(set) var stampNanoseconds: Int64 = 0
    /// Its neighbours in the line that it stands in: the low halves of their numbers.
    var next: UInt32 = 0
    var previous: UInt32 = 0

    init(target: UInt32, attempt: UInt8, repeats: UInt8, wasAsked: Bool, sentAt: Timestamp) {
        self.target = target
        self.attempt = attempt
        self.repeats = repeats
        self.sentAt = sentAt
        self.wasAsked = wasAsked
    }

    @inline(__always)
    var state: State {
        get { State(rawValue: bits & Self.stateMask) ?? .settled }
        set { bits = bits & ~Self.stateMask | newValue.rawValue }
    }

    /// Whether it decides about its target, or will.
    var isOpen: Bool { state.rawValue <= State.waiting.rawValue }

    /// Whether it was handed to the kernel: one that was refused can't have been answered.
    var wasSent: Bool {
        switch state {
        case .outstanding, .answered, .settled: true
        case .waiting, .superseded: hasExpired
        case .pending, .unsent: false
        }
    }

    /// Whether its timeout passed.
    var hasExpired: Bool {
        get { has(Self.expired) }
        set { set(Self.expired, newValue) }
    }

    /// Whether an ICMP error about it was told of.
    var wasReported: Bool {
        get { has(Self.reported) }
        set { set(Self.reported, newValue) }
    }

    /// Whether an earlier probe to the target was handed to the kernel.
    var wasAsked: Bool {
        get { has(Self.asked) }
        set { set(Self.asked, newValue) }
    }

    /// Whether it costs no retry; of one that waits, the probe that comes after it.
    var isFree: Bool {
        get { has(Self.free) }
        set { set(Self.free, newValue) }
    }

    /// Takes a stamp of sending. A kernel's may be told long after, and belongs to the clock epoch of the sending.
    mutating func take(_ stamp: Stamp) {
        stampNanoseconds = stamp.nanoseconds
        if stamp.clock == .kernel { set(Self.kernel, true) }
        if state == .pending { epoch = UInt8(truncatingIfNeeded: stamp.epoch) }
    }

    /// Keeps what a timestamp request carries where else its stamp would be.
    mutating func keep(originate: UInt32) { stampNanoseconds = Int64(originate) }

    /// The stamp of sending, with its epoch as `latest` shows it: never more than 256 epochs lie between.
    func stamp(_ latest: UInt32) -> Stamp {
        let back = UInt8(truncatingIfNeeded: latest) &- epoch
        return Stamp(
            nanoseconds: stampNanoseconds, clock: has(Self.kernel) ? .kernel : .user, epoch: latest &- UInt32(back))
    }

    private func has(_ flag: UInt8) -> Bool { bits & flag != 0 }

    private mutating func set(_ flag: UInt8, _ isSet: Bool) { bits = isSet ? bits | flag : bits & ~flag }

    private static let stateMask: UInt8 = 7
    private static let kernel: UInt8 = 1 << 3
    private static let reported: UInt8 = 1 << 4
    private static let expired: UInt8 = 1 << 5
    private static let asked: UInt8 = 1 << 6
    private static let free: UInt8 = 1 << 7
}

/// The probes of a sweep in the recent past, found by number in O(1): all that a sweep remembers of its targets.
///
/// A ring in the order of sending holds them. Open ones stand in one of a few lines besides: a line for each timeout, in
/// which the first expires first, and one for those whose target is to be asked again.
struct HostRecords: Sendable {
    /// The number of the oldest record that is kept.
    private(set) var head: UInt64 = 1
    /// The number that the next probe gets.
    private(set) var next: UInt64 = 1
    private var ring: [HostRecord]
    private var mask: UInt64
    private let maximumCapacity: Int
    private var lines: [Line]

    private struct Line: Sendable {
        var first: UInt32 = 0
        var last: UInt32 = 0
        var count = 0
    }

    /// - Parameters:
    ///   - timeouts: how many lines wait for answers.
    ///   - maximumCapacity: how many records at most, a power of two up to 2^31; memory grows to it as needed.
    init(timeouts: Int, maximumCapacity: Int) {
        precondition(maximumCapacity > 0 && maximumCapacity & (maximumCapacity - 1) == 0)
        precondition(maximumCapacity <= 1 << 31)
        self.maximumCapacity = maximumCapacity
        let none = HostRecord(
            target: 0, attempt: 0, repeats: 0, wasAsked: false, sentAt: Timestamp(nanoseconds: 0))
        ring = Array(repeating: none, count: min(64, maximumCapacity))
        mask = UInt64(ring.count - 1)
        lines = Array(repeating: Line(), count: timeouts + 1)
    }

    /// How many records fit without taking more memory.
    var capacity: Int { ring.count }
    /// The line of those whose target is to be asked again.
    var waitingLine: Int { lines.count - 1 }
    /// Records in all lines.
    var open: Int { lines.reduce(0) { $0 + $1.count } }

    func count(in line: Int) -> Int { lines[line].count }

    @inline(__always)
    func contains(_ number: UInt64) -> Bool { number >= head && number < next }

    /// The record of a number that is kept.
    subscript(number: UInt64) -> HostRecord {
        @inline(__always) get { ring[slot(number)] }
        @inline(__always) _modify { yield &ring[slot(number)] }
    }

    /// Whether a record more would push out an open one.
    var isFull: Bool { next - head == UInt64(maximumCapacity) && ring[slot(head)].isOpen }

    /// The last of the probes that followed a superseded one to its target, nil where that is decided. O(probes to the
    /// target).
    func opened(behind number: UInt64) -> UInt64? {
        var last = number
        while ring[slot(last)].state == .superseded {
            let following = self.number(ring[slot(last)].next)
            // A probe that was sent again in the room of the oldest has left with it.
            guard following > last, contains(following) else { return nil }
            last = following
        }
        let state = ring[slot(last)].state
        return state == .outstanding || state == .waiting ? last : nil
    }

    /// Files a record in a line and numbers it; the caller has looked at `isFull`. O(1) amortised.
    ///
    /// - Parameter horizon: what was sent before is let go of rather than taking more memory.
    @inline(__always)
    mutating func insert(_ record: HostRecord, in line: Int, horizon: Timestamp) -> UInt64 {
        if next - head == UInt64(ring.count) { makeRoom(horizon) }
        let number = next
        next += 1
        ring[slot(number)] = record
        append(number, to: line)
        return number
    }

    private mutating func makeRoom(_ horizon: Timestamp) {
        let oldest = ring[slot(head)]
        if ring.count < maximumCapacity, oldest.isOpen || oldest.sentAt > horizon {
            grow()
        } else {
            head += 1
        }
    }

    private mutating func grow() {
        var larger = ring + ring
        let wider = UInt64(larger.count - 1)
        for number in head..<next { larger[Int(number & wider)] = ring[slot(number)] }
        ring = larger
        mask = wider
    }

    // MARK: Lines

    /// The number of the first in a line, nil when it is empty.
    @inline(__always)
    func first(in line: Int) -> UInt64? { lines[line].count == 0 ? nil : number(lines[line].first) }

    @inline(__always)
    mutating func append(_ number: UInt64, to line: Int) {
        let low = UInt32(truncatingIfNeeded: number)
        if lines[line].count == 0 {
            lines[line].first = low
        } else {
            ring[slot(UInt64(lines[line].last))].next = low
            ring[slot(number)].previous = lines[line].last
        }
        lines[line].last = low
        lines[line].count += 1
    }

    /// Takes a record out of the line that it stands in.
    @inline(__always)
    mutating func remove(_ number: UInt64, from line: Int) {
        let low = UInt32(truncatingIfNeeded: number)
        let (before, behind) = (ring[slot(number)].previous, ring[slot(number)].next)
        if lines[line].first == low {
            lines[line].first = behind
        } else {
            ring[slot(UInt64(before))].next = behind
        }
        if lines[line].last == low {
            lines[line].last = before
        } else {
            ring[slot(UInt64(behind))].previous = before
        }
        lines[line].count -= 1
    }

    /// The whole number of a record that is kept.
    @inline(__always)
    func number(_ low: UInt32) -> UInt64 { head &+ UInt64(low &- UInt32(truncatingIfNeeded: head)) }

    @inline(__always)
    private func slot(_ number: UInt64) -> Int { Int(truncatingIfNeeded: number & mask) }
}
