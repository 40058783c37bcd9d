import Glibc
import LinuxSockets
import ProbeEngine
import ProbeIO
import ProbeReports
import Synchronization

/// Where the lines of a sweep go: whole lines, those of one worker at a time, and below them how far it is.
final class SweepOutput: Sendable {
    private struct State: ~Copyable, Sendable {
        var writer = OutputWriter()
        var progress = ProgressLine()
    }

    private let state = Mutex(State())
    /// Whether progress is a line that is drawn over itself.
    let isTerminal = Terminal.size(of: STDERR_FILENO) != nil && Terminal.isCapable

    /// Writes to standard output by this writer from now on, and gives back the one before.
    func exchange(_ writer: inout OutputWriter) { state.withLock { swap(&$0.writer, &writer) } }

    /// Writes lines to standard output, then others to standard error. False when standard output takes no more.
    func write(_ lines: borrowing ReportBuffer, errors: borrowing ReportBuffer) -> Bool {
        state.withLock { state in
            if !lines.isEmpty || !errors.isEmpty { Self.clear(&state) }
            if !lines.isEmpty { state.writer.write(lines.bytes) }
            let isOpen = state.writer.flush()
            if !errors.isEmpty { reportErrors(errors.bytes) }
            return isOpen
        }
    }

    /// Writes a line to standard error.
    func tell(_ line: String) {
        state.withLock { state in
            Self.clear(&state)
            reportLine(line, from: Tool.name)
        }
    }

    /// Shows how far the sweep is: on a terminal by a line that the next one takes the place of.
    func show(_ counters: HostSweep.Counters, isOpen: Bool) {
        guard isTerminal else { return tell(counters, isOpen: isOpen) }
        let columns = Terminal.size(of: STDERR_FILENO)?.columns ?? 80
        state.withLock { state in
            var line = ReportBuffer()
            state.progress.draw(counters, isOpen: isOpen, columns: columns, at: ProbeLoop<HostSweep>.now, to: &line)
            if !line.isEmpty { reportErrors(line.bytes) }
        }
    }

    /// Writes a line to standard error that says how far the sweep is.
    func tell(_ counters: HostSweep.Counters, isOpen: Bool) {
        state.withLock { state in
            Self.clear(&state)
            var line = ReportBuffer()
            state.progress.appendLine(counters, isOpen: isOpen, at: ProbeLoop<HostSweep>.now, to: &line)
            reportLine(line.bytes, from: Tool.name)
        }
    }

    /// Takes the line away that says how far the sweep is.
    func endProgress() { state.withLock { Self.clear(&$0) } }

    private static func clear(_ state: inout State) {
        var line = ReportBuffer()
        state.progress.clear(to: &line)
        if !line.isEmpty { reportErrors(line.bytes) }
    }
}
