import CommandLineOptions

extension Options {
    static let scheduleSection = OptionSection<Options>(
        "Schedule",
        [
            Option("f", "first", .required("HOP"), "start with this hop limit, 1 to 255 (1)", aliases: ["first-hop"]) {
                $0.firstHop = try $1.wholeNumber(in: 1...255)
            },
            Option("m", "max-hops", .required("HOPS"), "go no further than this hop limit, 1 to 255 (30)") {
                $0.maximumHop = try $1.wholeNumber(in: 1...255)
            },
            Option("q", "queries", .required("COUNT"), "probes to each hop, 1 to 10 (3)") {
                $0.queries = try $1.wholeNumber(in: 1...10)
                $0.hasQueries = true
            },
            Option(
                "w", "wait", .required("MAX[,HERE,NEAR]"), "longest waits for an answer (5,3,10)",
                detail: "At most MAX seconds, HERE round trips where the same hop has answered, NEAR round "
                    + "trips of the next hop that has. MAX alone, or 0 in place of a factor, waits that long "
                    + "whatever has answered. Without this option routers at the end of the path that nobody answers "
                    + "behind are waited for no longer than a second, or NEAR of the longest round trips, and the others no "
                    + "longer than half a second more than a round trip."
            ) {
                let waits = try $1.waits(maximum: 1_000_000...3_600_000_000_000)
                $0.maximumWait = waits.maximum
                $0.tailWait = nil
                $0.maximumDelay = nil
                $0.hereFactor = factor(waits.factors?.here)
                $0.nearFactor = factor(waits.factors?.near)
            },
            Option(
                nil, "ask-again", "ask silent hops once more, a second later, where later ones answered",
                detail:
                    "Routers limit their errors, Linux to one a second. Without this option a silent end of the path is "
                    + "asked again, and silent routers where no other answered or half of the others had no answers left "
                    + "behind their first ones. With a -w below 1 nothing is asked again unless this option is given."
            ) { options, _ in options.asksSilentHopsAgain = true },
            Option(nil, "gap-limit", .required("HOPS"), "end behind so many silent hops in a row, 1 to 255 (none)") {
                $0.gapLimit = try $1.wholeNumber(in: 1...255)
            },
            Option("N", "sim-queries", .required("COUNT"), "probes under way at once, 1 to 2550 (all)") {
                $0.maximumInFlight = try $1.wholeNumber(in: 1...2_550)
            },
            Option(
                "z", "sendwait", .required("SECONDS"), "time between two probes (0)",
                detail: "A number above 10 is milliseconds, as in traceroute."
            ) {
                let pause = try $1.duration(in: 0...60_000_000_000_000)
                $0.pause = pause > 10_000_000_000 ? pause / 1_000 : pause
            },
        ])
}

/// How many round trips an answer is waited for; none or 0 of them set no limit, as in traceroute.
private func factor(_ billionths: Int64?) -> Double {
    guard let billionths, billionths > 0 else { return .infinity }
    return Double(billionths) / 1e9
}
