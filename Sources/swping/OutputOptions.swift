import CommandLineOptions
import ProbeReports

extension Options {
    static let outputSection = OptionSection<Options>(
        "Output",
        [
            Option(
                "a", "audible", "ring the bell with every answer in time",
                detail:
                    "The bell is a character in the answer's line; where there is no such line it goes to standard error."
            ) { options, _ in options.isAudible = true },
            Option("D", "timestamps", "print the time of day in front of each line") { options, _ in
                options.showsTimes = true
            },
            Option(
                nil, "timestamp-format", .required("FORMAT"), "as -D, as unix, ctime, iso or rfc3339 (unix)",
                detail:
                    "Seconds since 1970; Wed Jan 28 09:08:07 2026; 2026-01-28T09:08:07+0100; 2026-01-28 09:08:07. The "
                    + "last three are local time.",
                completion: .words(["unix", "ctime", "iso", "rfc3339"])
            ) {
                $0.timeFormat = try $1.choice([
                    ("unix", .unix(decimals: 6)), ("ctime", .ctime), ("iso", .iso), ("rfc3339", .rfc3339),
                ])
                $0.showsTimes = true
            },
            Option(
                "O", "outstanding", "say so when the next probe is due and the last one is not answered",
                detail: "With -q too."
            ) { options, _ in options.reportsOutstanding = true },
            Option("q", "quiet", "print the summary only") { options, _ in options.isQuiet = true },
            Option(
                "v", "verbose", "print timeouts and identifiers too, and which sockets are used",
                detail: "The identifier is the one in the header of ICMP."
            ) { options, _ in options.isVerbose = true },
            Option("3", "decimals", "print three decimals of a millisecond from 100 ms on too") { options, _ in
                options.alwaysHasDecimals = true
            },
            Option(
                "U", "user-latency", "print round trips as this process sees them, waking up included",
                detail: "By default they are the kernel's, from one time stamp of a packet to the other."
            ) { options, _ in options.isUserToUser = true },
            Option(
                "n", "numeric", "print addresses, ask for no names",
                detail: "The last one of -n and -H holds."
            ) { options, _ in
                options.isNumeric = true
                options.forcesNames = false
            },
            Option("H", "names", "ask for the names of hosts that were given as addresses too") { options, _ in
                options.forcesNames = true
                options.isNumeric = false
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
                nil, "slots", "list in each host's summary what became of each probe, with -c",
                detail:
                    "In the order of sending: the round trip in milliseconds, with ! behind it if it was late, - for a lost "
                    + "probe, error, unsent, or ? while the answer is waited for. Of many hosts it is what their lines "
                    + "have in place of round trips. Not with -w, which leaves open how many probes there are."
            ) { options, _ in options.listsSlots = true },
            Option(
                nil, "fail-if", .required("CONDITION"), "exit with 1 if it holds of a host: 'loss>1%', 'p99>20ms'",
                detail: "A quantity, one of > >= < <=, and a percentage, a time with its unit (us, ms, s) or a whole "
                    + "number. Several may be given, and any that holds is told. One whose value is unknown, such as "
                    + "a percentile of too few answers, holds. The quantities: "
                    + EchoAssertion.quantities.joined(separator: ", ")
                    + ". Of ipdv and host-delay it is the mean, of outage the longest. In a sweep it is about all "
                    + "targets together, as in 'alive<90%', and the quantities are: "
                    + SweepAssertion.quantities.joined(separator: ", ") + "."
            ) { options, value in
                options.conditions.append(value.string)
                do throws(AssertionError) {
                    _ = try EchoAssertion(parsing: value.string)
                } catch {
                    // What it is to hold of is not known before all of the command line is.
                    if (try? SweepAssertion(parsing: value.string)) == nil { throw value.invalid(error.expected) }
                }
            },
            Option(
                nil, "as", .required("PROGRAM"), "be fping or ping: the options, output and exit status",
                detail:
                    "Stands in front of all other options. A link to swping by the name of fping, fping6, ping, ping4 or ping6 does the same.",
                completion: .words(Persona.names)
            ) { _, _ in throw OptionError.refused("has to be the first option") },
            Option(
                nil, "csv", "print a table for spreadsheets and plots, one row an event",
                detail: "RFC 4180: the first line names the columns, lines end with CR LF. Every row has all columns: "
                    + "time, type, target, address, family, transport, seq, kind, responder, name, bytes, hop_limit, "
                    + "traffic_class, rtt_ns, clock, icmp_type, icmp_code, errno and text, empty where they say nothing. "
                    + "Types are those of --json. Summaries have another shape: their text goes to standard error. "
                    + "A field that a spreadsheet would take for a formula begins with \\x3d or the like instead."
            ) { options, _ in options.isCSV = true },
            Option(
                nil, "style", .required("STYLE"), "text, or heat: one coloured block per probe (text)",
                detail: "The picture of heat needs a terminal, and is text elsewhere. Blocks stand in the order of "
                    + "sending, higher and hotter for longer round trips, in steps of twice the time; a line names the "
                    + "steps and the letters of what was lost, late, duplicate, an error, not sent, corrupted or from a "
                    + "wrong source. When round trips leave the scale, a line with a new one comes before the blocks "
                    + "that follow it. A row is left when all of its probes are decided.",
                completion: .words(["text", "heat"])
            ) { $0.style = try $1.choice([("text", .text), ("heat", .heat)]) },
            Option(
                nil, "color", .required("WHEN"), "colour the blocks of --style heat: auto, always or never (auto)",
                detail: "With auto there is no colour where NO_COLOR is set.",
                completion: .words(["auto", "always", "never"])
            ) { $0.color = try $1.choice([("auto", .auto), ("always", .always), ("never", .never)]) },
            Option(
                nil, "pcap", .required("FILE"), "write what was sent and received to FILE, for tcpdump or Wireshark",
                detail:
                    "Classic pcap with nanoseconds; packets begin with the IP header (LINKTYPE_RAW). Raw sockets of "
                    + "IPv4 give packets as they were. Elsewhere the header is made from what is known: addresses, hop "
                    + "limit, traffic class, protocol and ports, without identification, options or fragments; the bytes "
                    + "behind it are the true ones. Of ICMP errors that a socket's error queue brings only the ICMP "
                    + "header is known, and the packet that they quote counts as not captured. Times are the kernel's "
                    + "where it tells them within 5 ms. A FILE that can't be written is told once and makes the exit "
                    + "status 2; the measurement goes on.",
                completion: .file
            ) { $0.captureFile = try $1.text(maximumLength: 4_096) },
        ])
}
