import ProbeEngine

/// One line on a terminal that says how far a sweep has come: `41% of 65534: 26870 sent, 21034 alive, 998/s, 39 s left`.
///
/// It is drawn over itself at most five times a second. Whoever writes anything else to the terminal calls `clear` first.
public struct ProgressLine: Sendable {
    /// Whether the line stands on the terminal.
    public private(set) var isDrawn = false
    /// When a new one is due, nil before the first.
    public private(set) var due: Timestamp?
    private var last = HostSweep.Counters()
    private var lastTime: Timestamp?
    /// A second, moving averages; nil before there were two looks.
    private var sentRate: Double?
    private var decidedRate: Double?

    public init() {}

    /// Draws the line if it is time for that.
    ///
    /// - Parameters:
    ///   - counters: summed over the workers.
    ///   - isOpen: whether more targets will come, so that nobody knows how many are left.
    ///   - columns: of the terminal; the line is cut to fit, because one that wraps can't be drawn over.
    public mutating func draw(
        _ counters: HostSweep.Counters, isOpen: Bool, columns: Int, at now: Timestamp, to buffer: inout ReportBuffer
    ) {
        if let due, now < due { return }
        due = now + Self.interval
        look(at: counters, now)
        var line = ReportBuffer()
        append(counters, isOpen, to: &line)
        buffer.append("\r")
        // The last column stays free: a character there makes some terminals go on to the next line.
        buffer.append(line, columns: max(1, columns) - 1)
        buffer.append(Self.eraseToEnd)
        isDrawn = true
    }

    /// Removes the line, if it stands there.
    public mutating func clear(to buffer: inout ReportBuffer) {
        guard isDrawn else { return }
        buffer.append("\r")
        buffer.append(Self.eraseToEnd)
        isDrawn = false
    }

    /// One line without control characters, for whoever asks at another time (SIGQUIT).
    public mutating func appendLine(
        _ counters: HostSweep.Counters, isOpen: Bool, at now: Timestamp, to buffer: inout ReportBuffer
    ) {
        look(at: counters, now)
        append(counters, isOpen, to: &buffer)
        buffer.append("\n")
    }

    /// Brings the averages up to date; looks that follow each other too closely would measure the batches.
    private mutating func look(at counters: HostSweep.Counters, _ now: Timestamp) {
        guard let lastTime else {
            (self.lastTime, last) = (now, counters)
            return
        }
        guard now - lastTime >= Self.interval else { return }
        let seconds = Double((now - lastTime).nanoseconds) / 1e9
        // A look counts by the part of the span that it covers.
        let weight = min(1, seconds / Self.memory)
        func mean(_ old: Double?, _ before: UInt64, _ after: UInt64) -> Double {
            let rate = Double(after > before ? after - before : 0) / seconds
            return old.map { $0 + (rate - $0) * weight } ?? rate
        }
        sentRate = mean(sentRate, last.transmitted, counters.transmitted)
        decidedRate = mean(decidedRate, last.decided, counters.decided)
        (self.lastTime, last) = (now, counters)
    }

    private func append(_ counters: HostSweep.Counters, _ isOpen: Bool, to buffer: inout ReportBuffer) {
        if isOpen {
            buffer.append(decimal: counters.targets)
            buffer.append(" so far: ")
        } else {
            // Rounded down: 100% is the end.
            let percent = counters.targets == 0 ? 100 : UInt128(counters.decided) * 100 / UInt128(counters.targets)
            buffer.append(decimal: percent)
            buffer.append("% of ")
            buffer.append(decimal: counters.targets)
            buffer.append(": ")
        }
        buffer.append(decimal: counters.transmitted)
        buffer.append(" sent, ")
        buffer.append(decimal: counters.alive)
        buffer.append(" alive")
        guard let sentRate, let decidedRate else { return }
        buffer.append(", ")
        buffer.append(decimal: UInt64(min(sentRate, 1e15).rounded()))
        buffer.append("/s")
        guard !isOpen, counters.remaining > 0, decidedRate > 0 else { return }
        let left = (Double(counters.remaining) / decidedRate).rounded(.up)
        guard left < Self.longestLeft else { return }
        buffer.append(", ")
        buffer.append(secondsLeft: UInt64(left))
        buffer.append(" left")
    }

    private static let interval = TimeSpan.milliseconds(200)
    /// Of the averages, in seconds.
    private static let memory = 3.0
    /// A thousand days are no estimate.
    private static let longestLeft = 86_400_000.0
    private static let eraseToEnd = "\u{1b}[K"
}

extension HostSweep.Counters {
    /// Targets that are.
    fileprivate var decided: UInt64 { alive &+ unreachable &+ unasked }
}

extension ReportBuffer {
    /// The first bytes of text in ASCII, as many as there are columns.
    fileprivate mutating func append(_ line: ReportBuffer, columns: Int) {
        append(String(decoding: line.bytes.prefix(columns), as: UTF8.self))
    }

    /// `39 s`, `12:05`, `3:02:11`
    fileprivate mutating func append(secondsLeft seconds: UInt64) {
        if seconds < 100 {
            append(decimal: seconds)
            return append(" s")
        }
        if seconds >= 3600 {
            append(decimal: seconds / 3600)
            append(":")
        }
        append(decimal: seconds / 60 % 60, minimumDigits: seconds >= 3600 ? 2 : 1)
        append(":")
        append(decimal: seconds % 60, minimumDigits: 2)
    }
}
