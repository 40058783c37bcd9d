import LinuxSockets
import ProbeIO

extension RungNeed<Options> {
    /// All of them; what stands in no row works on every rung.
    static let all = [
        RungNeed("-e 0", .raw) { $0.identifier == 0 },
        RungNeed("-e", .raw, .ping) { $0.identifier != nil },
    ]
}

/// What refuses options that the sockets at hand can't do, before anything is sent.
enum OptionRefusals {
    /// Throws the first line that applies: the option, what it needs, what is there, and how to get it.
    static func check(
        _ options: Options, rung: Rung, _ refused: [SocketSettings.Refusal]
    ) throws(ToolFailure) {
        try RungNeed.check(RungNeed.all, options, on: rung) { remedy($0, options) }
        guard let first = refused.first else { return }
        throw ToolFailure("option \(line(first, options))")
    }

    private static func line(_ refusal: SocketSettings.Refusal, _ options: Options) -> String {
        switch refusal.name {
        case .device: "-I: \(refusal.failure) (\(refusal.failure.name))"
        case .mark: "-m: needs CAP_NET_RAW or CAP_NET_ADMIN (\(remedy([.raw], options)))"
        case .flowLabel: "-F: another socket holds this flow label for itself alone (\(refusal.failure.name))"
        case .debugging: "-d: needs CAP_NET_ADMIN (run it as root)"
        case .sendBufferSize: "-S: more than net.core.wmem_max allows"
        }
    }

    /// How to come by one of the rungs.
    static func remedy(_ rungs: [Rung], _ options: Options) -> String {
        if options.wantsUDP { return "leave out --udp" }
        if options.highestRung != .raw { return "leave out --rung" }
        return Rung.remedy(for: rungs, program: Tool.name)
    }
}
