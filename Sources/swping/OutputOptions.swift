import CommandLineOptions
import ProbeReports

extension Options {
    static let outputSection = OptionSection<Options>(
        "Output",
        [
            Option("n", "numeric", "print addresses, ask for no names") { options, _ in options.isNumeric = true
            },
            Option("q", "quiet", "print the summary only") { options, _ in options.isQuiet = true },
            Option("v", "verbose", "print timeouts too, and which sockets are used") { options, _ in
                options.isVerbose = true
            },
            Option(
                "j", "json", "print one JSON object a line",
                detail: "Its schema is Sources/ProbeReports/Schemas/swping.schema.json."
            ) { options, _ in options.isJSON = true },
            Option(
                nil, "interval-summary", .required("SECONDS"), "sum up every so many seconds too, with -q as well",
                detail: "Everything counts in the interval in which it happened, so that the intervals add up to the "
                    + "summary; a late answer takes back a loss told before."
            ) { $0.summaryInterval = try $1.duration(in: 10_000_000...31_536_000_000_000_000) },
            Option(
                nil, "fail-if", .required("CONDITION"), "exit with 1 if it holds of a host: 'loss>1%', 'p99>20ms'",
                detail: "A quantity, one of > >= < <=, and a percentage, a time with its unit (us, ms, s) or a whole "
                    + "number. Several may be given, and any that holds is told. One whose value is unknown, such as "
                    + "a percentile of too few answers, holds. The quantities: "
                    + EchoAssertion.quantities.joined(separator: ", ")
                    + ". Of ipdv and host-delay it is the mean, of outage the longest."
            ) { options, value in
                do throws(EchoAssertionError) {
                    options.assertions.append(try EchoAssertion(parsing: value.string))
                } catch {
                    throw value.invalid(error.expected)
                }
            },
        ])
}
