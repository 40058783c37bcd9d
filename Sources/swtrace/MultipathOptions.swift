import CommandLineOptions
import PacketFormats
import ProbeEngine
import ProbeIO

extension Options {
    static let multipathSection = OptionSection<Options>(
        "All paths",
        [
            Option(
                nil, "multipath", .optional("LEVEL"), "find every path, not one: each next hop with LEVEL percent (95)",
                detail:
                    "Sends flows until no router is likely to have one more next hop than was seen (MDA). LEVEL, 50 to "
                    + "99.99, is how sure that is of each router; trace:LEVEL makes it of the whole trace, for up to 30 "
                    + "routers that balance. UDP flows differ in their ports, TCP flows in their source port, over IPv6 all "
                    + "of them in their flow label too; there are 64 source ports, 256 of TCP, with --sport from that one on. Most "
                    + "balancers look at ports, which ICMP has none of. Several hosts are traced one after the other. -q, "
                    + "--mtu, --flow, --baseline, --csv and --atlas are for one path.",
                completion: .words(["90", "95", "99", "trace:95"])
            ) { options, value in
                options.multipath = try value.text == nil ? StoppingRule(confidence: 0.95) : value.stoppingRule()
            },
            Option(
                nil, "mda-lite", "spare probes at hops whose routers all look alike",
                detail:
                    "MDA-Lite (Vermeulen et al., 2018): hops are counted and not routers, unless a test finds that "
                    + "routers of a hop lead to different next hops. LEVEL is then of whole hops."
            ) { options, _ in options.multipathDetail.isLite = true },
            Option(nil, "max-probes", .required("COUNT"), "send no more probes than this to a host (3000)") {
                $0.multipathDetail.maximumProbes = try $1.wholeNumber(in: 10...1_000_000)
            },
            Option(
                nil, "rounds", .required("COUNT"), "then follow the paths for so many rounds, 0 for no end",
                detail:
                    "Each round asks every router and link that was found, by as few flows as reach them all. Changes are "
                    + "told as they come, losses and round trips of each link and path at the end, and with --json of "
                    + "each round."
            ) { $0.multipathDetail.rounds = try $1.wholeNumber(in: 0...UInt64(UInt32.max)) },
            Option(nil, "interval", .required("SECONDS"), "time from round to round (1)") {
                $0.multipathDetail.interval = try $1.duration(in: 10_000_000...3_600_000_000_000)
            },
            Option(
                nil, "dot", "print the graph for Graphviz",
                detail: "For dot(1): swtrace --multipath --dot HOST | dot -Tpdf >paths.pdf"
            ) { options, _ in options.styles.append(.dot) },
            Option(nil, "svg", "print the graph as a picture, for a browser") { options, _ in
                options.styles.append(.svg)
            },
        ])

    /// What is given beside `--multipath`.
    struct MultipathDetail: Sendable {
        var isLite = false
        var maximumProbes: Int?
        /// How often the paths are asked again once they are found, 0 for no end; nil for not at all.
        var rounds: UInt64?
        /// Nanoseconds.
        var interval: Int64?
    }

    /// What the parser can't see of these options: those that need `--multipath`, and those that go without it only.
    func checkMultipath(_ hosts: [String]) throws(ToolFailure) {
        guard multipath != nil else {
            let needy: [(option: String, isGiven: Bool)] = [
                ("--mda-lite", multipathDetail.isLite), ("--max-probes", multipathDetail.maximumProbes != nil),
                ("--rounds", multipathDetail.rounds != nil), ("--interval", multipathDetail.interval != nil),
                ("--dot", styles.contains(.dot)), ("--svg", styles.contains(.svg)),
            ]
            if let first = needy.first(where: \.isGiven) {
                throw ToolFailure("option \(first.option): needs --multipath")
            }
            return
        }
        let excluded: [(option: String, isGiven: Bool, why: String)] = [
            ("--csv", styles.contains(.csv), "a table has one path; --json has all of them"),
            ("--atlas", styles.contains(.atlas), "RIPE Atlas' results have one path; --json has all of them"),
            ("-q", hasQueries, "--multipath sends as many probes as it needs"),
            ("--mtu", findsMTU, "is for one path"),
            ("--flow", flow != .paris, "--multipath needs flows that stay the same, which \(flow.rawValue) has not"),
            ("--baseline", findings.baseline != nil, "is for one path"),
            ("--ask-again", asksSilentHopsAgain, "--multipath asks silent hops again as it is"),
            ("--rounds", multipathDetail.rounds != nil && (style == .dot || style == .svg), "a picture has no rounds"),
            ("--svg", style == .svg && hosts.count > 1, "a picture has one host"),
        ]
        if let first = excluded.first(where: \.isGiven) { throw ToolFailure("option \(first.option): \(first.why)") }
        if multipathDetail.interval != nil, multipathDetail.rounds == nil {
            throw ToolFailure("option --interval: needs --rounds")
        }
        if let assertion = findings.assertions.first(where: { !$0.suitsManyPaths }) {
            throw ToolFailure("option --fail-if: '\(assertion.text)' is for one path, without --multipath")
        }
    }

    /// Throws where probes are too short to have flows and numbers.
    func checkMultipathSize(_ size: Int?, to address: IPAddress) throws(ToolFailure) {
        guard multipath != nil, let size else { return }
        let least = size - payloadLength(ofPackets: size, address.version) + ProbeCodec.balancedLength
        guard size < least else { return }
        throw ToolFailure("SIZE: at least \(least) with --multipath over IPv\(address.version.rawValue)")
    }
}

extension OptionValue {
    /// `95`, `99.9%` or `trace:95`.
    fileprivate func stoppingRule() throws(OptionError) -> StoppingRule {
        let prefix = "trace:"
        let isWhole = string.hasPrefix(prefix)
        do throws(OptionError) {
            let billionths = try OptionValue(isWhole ? String(string.dropFirst(prefix.count)) : string)
                .percentage(in: 500_000_000...999_900_000)
            let confidence = Double(billionths) / 1e9
            return isWhole ? StoppingRule(wholeTraceConfidence: confidence) : StoppingRule(confidence: confidence)
        } catch {
            throw invalid("a percentage from 50 to 99.99, of a router, or trace: and one, of the whole trace")
        }
    }
}
