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
        /// What stands in the last line of the terminal until the next lines come.
        var status: [UInt8] = []
    }

    private let state = Mutex(State())
    private let ending = EndFlag()
    /// Whether progress is a line that is drawn over itself.
    let isTerminal = Terminal.size(of: STDERR_FILENO) != nil && Terminal.isCapable
    /// Whether lines on standard output would come to stand behind it.
    private let hasLinesOnTerminal = Terminal.size(of: STDOUT_FILENO) != nil

    /// Writes to standard output by this writer from now on, and gives back the one before.
    func exchange(_ writer: inout OutputWriter) {
        let ending = ending
        writer.isEnding = { ending.isSet }
        state.withLock { swap(&$0.writer, &writer) }
    }

    /// A reader of standard output that takes nothing is not waited for any longer: somebody wants an end.
    func end() { ending.set() }

    /// Whether the end came before the reader had taken all.
    var isStuck: Bool { state.withLock { $0.writer.failure == .stuck } }

    /// Writes lines to standard output, then others to standard error. False when standard output takes no more.
    func write(_ lines: borrowing ReportBuffer, errors: borrowing ReportBuffer) -> Bool {
        guard !lines.isEmpty || !errors.isEmpty else { return state.withLock { $0.writer.failure == nil } }
        return state.withLock { state in
            let isInTheWay = !state.status.isEmpty && (hasLinesOnTerminal || !errors.isEmpty)
            if isInTheWay { reportErrors(Self.erasure) }
            state.writer.write(lines.bytes)
            let isOpen = state.writer.flush()
            if !errors.isEmpty { reportErrors(errors.bytes) }
            if isInTheWay { reportErrors(state.status) }
            return isOpen
        }
    }

    /// Writes a line to standard error.
    func tell(_ line: String) {
        var errors = ReportBuffer()
        errors.append("\(Tool.name): \(line)\n")
        _ = write(ReportBuffer(), errors: errors)
    }

    /// Shows how far the sweep is: on a terminal by a line that the next one takes the place of.
    func show(_ counters: HostSweep.Counters, isOpen: Bool) {
        guard isTerminal else { return tell(counters, isOpen: isOpen) }
        let columns = Terminal.size(of: STDERR_FILENO)?.columns ?? 80
        state.withLock { state in
            var line = ReportBuffer()
            state.progress.draw(counters, isOpen: isOpen, columns: columns, at: ProbeLoop<HostSweep>.now, to: &line)
            guard !line.isEmpty else { return }
            state.status = line.bytes
            reportErrors(line.bytes)
        }
    }

    /// Writes a line to standard error that says how far the sweep is.
    func tell(_ counters: HostSweep.Counters, isOpen: Bool) {
        var errors = ReportBuffer()
        errors.append("\(Tool.name): ")
        state.withLock {
            $0.progress.appendLine(counters, isOpen: isOpen, at: ProbeLoop<HostSweep>.now, to: &errors)
        }
        _ = write(ReportBuffer(), errors: errors)
    }

    /// Takes the line away that says how far the sweep is.
    func endProgress() {
        state.withLock { state in
            if !state.status.isEmpty { reportErrors(Self.erasure) }
            state.status = []
        }
    }

    /// Back to the start of the line, and nothing from there on.
    private static let erasure = Array("\r\u{1b}[K".utf8)
}
