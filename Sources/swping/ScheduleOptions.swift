import CommandLineOptions

extension Options {
    static let scheduleSection = OptionSection<Options>(
        "Schedule",
        [
            Option("c", "count", .required("COUNT"), "stop after COUNT probes to each host") {
                $0.count = try $1.wholeNumber(in: 1...UInt64(Int64.max))
            },
            Option("i", "interval", .required("SECONDS"), "time between two probes to a host (1)") {
                $0.interval = try $1.duration(in: 1_000_000...86_400_000_000_000)
            },
            Option(
                "w", "deadline", .required("SECONDS"),
                "stop after so long; with -c wait for that many answers until then"
            ) { $0.deadline = try $1.duration(in: 1_000_000...31_536_000_000_000_000) },
            Option("W", "timeout", .required("SECONDS"), "an answer after so long is late (2)") {
                $0.timeout = try $1.duration(in: 1_000_000...3_600_000_000_000)
            },
        ])
}
