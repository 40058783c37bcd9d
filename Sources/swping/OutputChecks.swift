import Glibc
import LinuxSockets
import ProbeEngine
import ProbeIO
import ProbeReports

extension Options {
    /// Whether standard output gets a line for every event, for programs to read.
    var hasRows: Bool { isJSON || isCSV }

    /// The size of the terminal on standard output, nil where it is none.
    static var window: WindowSize? {
        Terminal.size(of: STDOUT_FILENO).map { WindowSize(columns: $0.columns, rows: $0.rows) }
    }

    /// Where the picture goes that is asked for; nil where standard output can show none, and where all but the summary
    /// is left out.
    var pictureWindow: WindowSize? { style == .heat && !isQuiet && Terminal.isCapable ? Self.window : nil }

    /// Makes the time in front of each line, where another format than ping's is wanted.
    var lineTime: LineTime? {
        guard let timeFormat else { return nil }
        let clock = WallClock(SystemClock.realtime.now, at: ProbeLoop<EchoSweep>.now)
        return LineTime(timeFormat, clock: clock, utcOffset: Int32(truncatingIfNeeded: Self.utcOffset))
    }

    /// Seconds that local time is ahead of UTC now.
    static var utcOffset: Int64 {
        var now = time(nil)
        var parts = unsafe tm()
        // Both are this function's own.
        guard unsafe localtime_r(&now, &parts) != nil else { return 0 }
        return Int64(unsafe parts.tm_gmtoff)
    }

    /// Whether a picture has colours.
    var wantsColor: Bool {
        switch color ?? .auto {
        case .auto: !Terminal.forbidsColor
        case .always: true
        case .never: false
        }
    }

    /// Means that exclude each other, and reports.
    func checkMeans() throws(ToolFailure) {
        if wantsUDP, wantsICMP {
            throw ToolFailure("options --udp and --icmp exclude each other (see swping --help)")
        }
        if wantsICMP, highestRung == .udp {
            throw ToolFailure("options --icmp and --rung udp exclude each other (see swping --help)")
        }
        if wantsICMP, port != nil {
            throw ToolFailure("options --icmp and --port exclude each other (see swping --help)")
        }
        try checkOutput()
    }

    /// Reads the conditions of `--fail-if` for what they are to hold of.
    mutating func settleConditions(ofSweep isSweep: Bool) throws(ToolFailure) {
        for text in conditions {
            do throws(AssertionError) {
                if isSweep {
                    sweep.assertions.append(try SweepAssertion(parsing: text))
                } else {
                    assertions.append(try EchoAssertion(parsing: text))
                }
            } catch {
                throw ToolFailure(
                    "option --fail-if: '\(SafeText(text))' means nothing \(isSweep ? "in" : "outside of") a sweep: "
                        + "it has to be \(error.expected)")
            }
        }
    }

    /// Throws where there would be too many slots to list.
    func checkSlots(of hosts: Int) throws(ToolFailure) {
        guard listsSlots, let count, EchoSlots.maximumCount / UInt64(max(1, hosts)) < count else { return }
        throw ToolFailure(
            "option --slots: \(count) probes to \(hosts) hosts are too many to list: at most \(EchoSlots.maximumCount)")
    }

    /// Reports that exclude each other, and options that need one of them.
    private func checkOutput() throws(ToolFailure) {
        let reports = [(isJSON, "--json"), (isCSV, "--csv"), (style == .heat, "--style heat")].filter(\.0).map(\.1)
        guard reports.count < 2 else {
            throw ToolFailure(
                "options \(reports[0]) and \(reports[1]) exclude each other (see swping --help)")
        }
        if timeFormat != nil, let report = reports.first {
            throw ToolFailure("options \(report) and --timestamp-format exclude each other (see swping --help)")
        }
        if listsSlots, count == nil || deadline != nil {
            throw ToolFailure("option --slots: needs -c, and no -w (see swping --help)")
        }
        if captureFile == "-" {
            throw ToolFailure("option --pcap: standard output has the report; name a file or a pipe")
        }
        if color != nil, style != .heat {
            throw ToolFailure("option --color: only --style heat has colours (see swping --help)")
        }
    }
}
