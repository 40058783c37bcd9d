/// When a measurement wants to be called again.
public enum Schedule: Hashable, Sendable, BitwiseCopyable {
    /// Call `advance` and `nextTransmit` at this instant.
    case at(Timestamp)
    /// Nothing is due until something is received or commanded.
    case waitingForInput
    /// The measurement is over; its statistics stand.
    case finished
}

/// The logic of a measurement without clock, socket or file: whoever drives it brings the time and carries the bytes.
///
/// Every verb is cheap and may be called twice: a second `nextTransmit` at the same instant gives the next probe that
/// is due or nil, `advance` expires nothing twice. Answers change only through the verbs and with the time they are
/// given. A driver calls `advance`, takes probes from `nextTransmit` until it is nil, tells of each whether it was
/// sent, takes the events, and waits until `schedule` says.
public protocol Measurement: ~Copyable {
    associatedtype Event
    associatedtype Command = Never

    /// The next probe that is due, or nil. The driver must follow with `didSend` or `didNotSend`.
    mutating func nextTransmit(at now: Timestamp) -> Transmit?
    /// The probe was handed to the kernel. May come twice, first with a stamp of this process, later, even after the
    /// reply, with the kernel's.
    mutating func didSend(_ id: ProbeID, at stamp: Stamp)
    /// The probe did not leave this host.
    mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp)
    /// All that was taken since the last `advance` was handed to the kernel or refused. That may have taken a while, which
    /// only those ask `clock` for who wait for answers from then on.
    mutating func finishSending(at clock: () -> Timestamp)
    /// Something came back that the codec recognised.
    mutating func receive(_ response: Response)
    /// Expires what is due.
    mutating func advance(to now: Timestamp)
    /// Whether `advance` would take silence for an answer, and `didDrop` could keep it from that: false where nobody asks
    /// again.
    func expiresSilence(at now: Timestamp) -> Bool
    /// The machine slept since the last verb, while the clock of these verbs stood still: nobody could hear what came.
    mutating func awoke(at now: Timestamp)
    /// This host received so many packets, of ours or of others, and dropped them because a queue was full: nobody heard
    /// them. Which ones is not known, nor when exactly: they came before now.
    mutating func didDrop(_ packets: UInt64, at now: Timestamp)
    /// Changes a running measurement.
    mutating func apply(_ command: Command, at now: Timestamp)
    /// Sends nothing more; what is outstanding is no longer waited for.
    mutating func stop(at now: Timestamp)
    /// The next event in order, nil when all were taken.
    mutating func nextEvent() -> Event?
    /// All events in order, into a buffer that is empty; its storage may be exchanged. Events that only taking these
    /// brings forth come with the next call.
    mutating func takeEvents(into buffer: inout [Event])
    /// Whether an answer to a probe that was sent is still waited for: a transport that has few sockets gives up the others
    /// first.
    func awaits(_ id: ProbeID) -> Bool
    /// When to come back; valid until the next verb.
    var schedule: Schedule { get }
}

extension Measurement where Self: ~Copyable, Command == Never {
    public mutating func apply(_ command: Never, at now: Timestamp) {}
}

extension Measurement where Self: ~Copyable {
    public mutating func awoke(at now: Timestamp) {}

    public mutating func didDrop(_ packets: UInt64, at now: Timestamp) {}

    @inlinable
    public mutating func finishSending(at clock: () -> Timestamp) {}

    public func awaits(_ id: ProbeID) -> Bool { true }

    @inlinable
    public func expiresSilence(at now: Timestamp) -> Bool { false }

    public mutating func takeEvents(into buffer: inout [Event]) {
        while let event = nextEvent() { buffer.append(event) }
    }
}

/// First in, first out. O(1) amortised.
struct Queue<Element> {
    private var elements: [Element] = []
    private var head = 0

    var isEmpty: Bool { head == elements.count }

    var first: Element? { isEmpty ? nil : elements[head] }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func next() -> Element? {
        guard head < elements.count else { return nil }
        head += 1
        if head == elements.count {
            head = 0
            defer { elements.removeAll(keepingCapacity: true) }
            return elements[elements.count - 1]
        }
        // What was taken is let go of once it is half of all.
        defer {
            if head * 2 >= elements.count, head >= Self.minimumGap {
                elements.removeSubrange(..<head)
                head = 0
            }
        }
        return elements[head - 1]
    }

    /// Moves all into an empty array, whose storage it takes over where it can. O(1), or O(n) behind a `next`.
    mutating func move(into buffer: inout [Element]) {
        if head == 0, buffer.isEmpty {
            swap(&elements, &buffer)
        } else {
            buffer += elements[head...]
            elements.removeAll(keepingCapacity: true)
            head = 0
        }
    }

    private static var minimumGap: Int { 64 }
}

extension Queue: Sendable where Element: Sendable {}
