import LinuxSockets
import PacketFormats
import ProbeEngine

/// Runs a measurement over a transport to its end, in one thread.
public struct ProbeLoop<Subject: Measurement & ~Copyable>: ~Copyable {
    public var measurement: Subject
    public var transport: ProbeTransport
    private var poller: Poller
    private let timer: Timer
    private var timerIsSet: Int64?
    private var isWatching = false
    private var events: [Subject.Event] = []

    /// Throws what the kernel refuses.
    public init(_ measurement: consuming Subject, over transport: consuming ProbeTransport) throws(Errno) {
        let poller = try Poller()
        let timer = try Timer()
        try poller.add(timer, token: Token.timer)
        self.measurement = measurement
        self.transport = transport
        self.poller = poller
        self.timer = timer
    }

    /// Waits for the sockets too from now on.
    private mutating func watch() throws(Errno) {
        guard !isWatching else { return }
        isWatching = true
        for channel in transport.channels where channel.isWaitedFor {
            // Error queues are always reported; a socket that only sends needs no more than that.
            try poller.add(channel.socket, token: Token.socket, interest: channel.receives ? .readable : [])
        }
        if let connections = transport.connections { try poller.add(connections, token: Token.socket) }
    }

    /// Nobody waits for the sockets, so that the kernel need not wake anybody for each packet.
    private mutating func unwatch() throws(Errno) {
        guard isWatching else { return }
        isWatching = false
        for channel in transport.channels where channel.isWaitedFor { try poller.remove(channel.socket) }
        if let connections = transport.connections { try poller.remove(connections) }
    }

    /// The clock that schedules and timeouts run on.
    public static var now: Timestamp { Timestamp(nanoseconds: SystemClock.monotonic.now) }

    /// Sends, receives and waits until the measurement is over; may be called again when it has more to do.
    ///
    /// - Parameters:
    ///   - signals: blocked signals to watch; each is given to `onSignal`.
    ///   - others: a further descriptor to watch, such as a resolver's; `onOther` is called when it is readable.
    ///   - onEvent: takes each event in order.
    ///   - afterBatch: is called when the events of one wake-up, or in a flood those of a millisecond, were given out: the
    ///     place to write what they made. Returning false stops the measurement.
    public mutating func run<Other: DescriptorOwner & ~Copyable>(
        signals: borrowing SignalDescriptor, other: borrowing Other,
        onEvent: (Subject.Event, borrowing Subject) -> Void,
        onSignal: (Signal, inout Subject) -> Void,
        onOther: (inout Subject) -> Void,
        afterBatch: () -> Bool
    ) throws(Errno) {
        try watch(signals, other)
        try drive(signals, onEvent, onSignal, onOther, { _ in afterBatch() })
        try poller.remove(signals)
        try poller.remove(other)
    }

    private mutating func watch<Other: DescriptorOwner & ~Copyable>(
        _ signals: borrowing SignalDescriptor, _ other: borrowing Other
    ) throws(Errno) {
        try poller.add(signals, token: Token.signal)
        try poller.add(other, token: Token.other)
    }

    private mutating func drive(
        _ signals: borrowing SignalDescriptor, _ onEvent: (Subject.Event, borrowing Subject) -> Void,
        _ onSignal: (Signal, inout Subject) -> Void, _ onOther: (inout Subject) -> Void,
        _ afterBatch: (inout Subject) -> Bool
    ) throws(Errno) {
        var heard = Self.now
        var polled = heard
        // How many times in a row the answers were here at once.
        var rush = 0
        // How many turns in a row there was no time to sleep.
        var wakeful = 0
        while true {
            wakeful &+= 1
            if wakeful == Self.steadyRush { try unwatch() }
            transport.lookForDrops(for: &measurement, at: heard)
            measurement.advance(to: heard)
            let now = Self.now
            let isBusy = transport.send(for: &measurement, at: now)
            measurement.finishSending { Self.now }
            tellEvents(onEvent)
            // On a short way the answers are here already, and asking for them is cheaper than asking whether they are.
            if !isBusy {
                rush = 0
            } else if now - polled < Self.longestRush {
                rush = transport.receiveAtOnce(for: &measurement) ? rush &+ 1 : 0
                if rush > 0 {
                    heard = now
                    continue
                }
            }
            if !afterBatch(&measurement) { measurement.stop(at: now) }
            var timeout: Int32?
            switch measurement.schedule {
            case .finished:
                tellEvents(onEvent)
                _ = afterBatch(&measurement)
                return
            case _ where rush > 0:
                polled = Self.now
                timeout = 0
            case .waitingForInput: break
            case .at(let instant):
                polled = Self.now
                if instant <= polled {
                    timeout = 0
                } else {
                    try setTimer(instant.nanoseconds, isBusy ? polled.nanoseconds : nil)
                }
            }
            if timeout == nil {
                try watch()
                wakeful = 0
            }
            try poller.wait(timeoutMilliseconds: timeout)
            for index in 0..<poller.count {
                switch poller.event(at: index).token {
                case Token.timer:
                    _ = try timer.acknowledge()
                    timerIsSet = nil
                case Token.signal:
                    while let signal = try signals.next() { onSignal(signal, &measurement) }
                case Token.other: onOther(&measurement)
                default: break
                }
            }
            // Answers are taken before time passes for the measurement, and then only to where it was when they were
            // asked for: one that lay here while this process stood still was not late, wherever it stood still.
            heard = Self.now
            transport.receive(for: &measurement)
        }
    }

    /// Events are told from where they lie, because a flood would spend its time on copies of them.
    private mutating func tellEvents(_ onEvent: (Subject.Event, borrowing Subject) -> Void) {
        measurement.takeEvents(into: &events)
        for index in events.indices { onEvent(events[index], measurement) }
        events.removeAll(keepingCapacity: true)
    }

    /// - Parameter now: given where a wake-up before its time costs less than setting the timer for every probe.
    private mutating func setTimer(_ instant: Int64, _ now: Int64?) throws(Errno) {
        guard timerIsSet != instant else { return }
        if let now, let timerIsSet, timerIsSet > now, timerIsSet < instant { return }
        try timer.set(to: max(1, instant))
        timerIsSet = instant
    }

    /// Signals and other descriptors wait no longer than this while answers come at once.
    private static var longestRush: TimeSpan { .milliseconds(1) }
    /// So many times in a row are more than chance.
    private static var steadyRush: Int { 16 }
}

extension ProbeLoop where Subject == EchoSweep {
    /// The same. Calling it by this type lets the compiler make a loop of its own for it, which takes a tenth less time in
    /// a flood.
    public mutating func run<Other: DescriptorOwner & ~Copyable>(
        signals: borrowing SignalDescriptor, other: borrowing Other,
        onEvent: (EchoEvent, borrowing EchoSweep) -> Void,
        onSignal: (Signal, inout EchoSweep) -> Void,
        onOther: (inout EchoSweep) -> Void,
        afterBatch: () -> Bool
    ) throws(Errno) {
        try watch(signals, other)
        try drive(signals, onEvent, onSignal, onOther, { _ in afterBatch() })
    }
}

extension ProbeLoop where Subject == HostSweep {
    /// The same, as for `EchoSweep`; `afterBatch` may change the sweep, such as by giving it more targets.
    public mutating func run<Other: DescriptorOwner & ~Copyable>(
        signals: borrowing SignalDescriptor, other: borrowing Other,
        onEvent: (HostSweepEvent, borrowing HostSweep) -> Void,
        onSignal: (Signal, inout HostSweep) -> Void,
        onOther: (inout HostSweep) -> Void,
        afterBatch: (inout HostSweep) -> Bool
    ) throws(Errno) {
        try watch(signals, other)
        try drive(signals, onEvent, onSignal, onOther, afterBatch)
    }
}

/// What the loop waits for.
private enum Token {
    static let timer: UInt64 = 0
    static let signal: UInt64 = 1
    static let socket: UInt64 = 2
    static let other: UInt64 = 3
}
