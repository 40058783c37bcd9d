import Glibc
import LinuxSockets
import ProbeIO
import ProbeReports
import Synchronization

/// Where the lines of a sweep go: whole lines, those of one worker at a time, and below them how far it is.
final class SweepOutput: Sendable {
    private struct State: ~Copyable, Sendable {
        var writer = OutputWriter()
        /// Whether the terminal's last line is one that is written anew.
        var hasStatus = false
    }

    private let state = Mutex(State())
    /// Whether standard error shows a line that is written anew, rather than one below the other.
    let isTerminal = Terminal.size(of: STDERR_FILENO) != nil && Terminal.isCapable

    /// Writes to standard output by this writer from now on, and gives back the one before.
    func exchange(_ writer: inout OutputWriter) { state.withLock { swap(&$0.writer, &writer) } }

    /// Writes lines to standard output, then others to standard error. False when standard output takes no more.
    func write(_ lines: borrowing ReportBuffer, errors: borrowing ReportBuffer) -> Bool {
        state.withLock { state in
            if !lines.isEmpty || !errors.isEmpty { Self.leaveStatus(&state) }
            if !lines.isEmpty { state.writer.write(lines.bytes) }
            let isOpen = state.writer.flush()
            if !errors.isEmpty { reportErrors(errors.bytes) }
            return isOpen
        }
    }

    /// Writes a line to standard error.
    func tell(_ line: String) {
        state.withLock { state in
            Self.leaveStatus(&state)
            reportLine(line, from: Tool.name)
        }
    }

    /// Shows how far the sweep is.
    func show(_ status: String) {
        guard isTerminal else { return tell(status) }
        state.withLock { state in
            let width = Terminal.size(of: STDERR_FILENO)?.columns ?? 80
            // A line that wraps could not be written anew.
            reportErrors(Array("\r\(String("\(Tool.name): \(status)".prefix(width - 1)))\u{1b}[K".utf8))
            state.hasStatus = true
        }
    }

    /// Takes the line away that says how far the sweep is.
    func endStatus() { state.withLock { Self.leaveStatus(&$0) } }

    private static func leaveStatus(_ state: inout State) {
        guard state.hasStatus else { return }
        reportErrors(Array("\r\u{1b}[K".utf8))
        state.hasStatus = false
    }
}
