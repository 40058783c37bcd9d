import CommandLineOptions
import ProbeIO
import ProbeReports

extension Options {
    static let findingSection = OptionSection<Options>(
        "Findings",
        [
            Option(
                "A", "asn", "print who announces each address: [AS64500], [AS64500/AS64501], [*] for nobody",
                detail: "From --asn-db or --asn-dns; either of them alone does the same.",
                aliases: ["as-path-lookups"]
            ) { options, _ in options.findings.wantsOrigins = true },
            Option(
                nil, "asn-db", .required("FILE"), "take them from a table of iptoasn.com, such as ip2asn-combined.tsv",
                detail: "Unpacked, in the order of addresses, with addresses as text or, of IPv4, as numbers. It is "
                    + "searched where it lies and never read as a whole.",
                completion: .file
            ) { $0.findings.originTable = try $1.text(maximumLength: 4_096) },
            Option(
                nil, "asn-dns", "ask the DNS for them, below origin.asn.cymru.com",
                detail: "That tells the name servers which addresses the path has. With --asn-db they are asked only "
                    + "about addresses of which the table knows nobody; about private, local and documentation "
                    + "addresses never, and of an IPv6 address only about the first 64 bits. Printed rows wait for "
                    + "them as for names, at most 250 ms."
            ) { options, _ in options.findings.asksDNSForOrigins = true },
            Option(
                nil, "fail-if", .required("CONDITION"), "exit with 1 if it holds: 'hops>12', 'via!=AS64500'",
                detail:
                    "Several may be given, and any that holds is told. hops>N, rtt>20ms (the shortest of the host's "
                    + "answers), loss>10% (of the probes that went as far as the host; routers leave probes out without "
                    + "dropping packets, so that their silence is no condition), back>N (hops of the longest way back), "
                    + "mtu<1500 (with --mtu), each with > >= < or <=; via!=X, where the path does not pass X, and via=X, "
                    + "where it does: an address, a prefix, or an AS by its number; path-changed, where a flow met two "
                    + "routers at one hop or where the path is not that of --baseline. One whose value is unknown "
                    + "holds: a silent hop may be what via=X asks for."
            ) { options, value in
                do throws(AssertionError) {
                    options.findings.assertions.append(try PathAssertion(parsing: value.string))
                } catch {
                    throw value.invalid(error.expected)
                }
            },
            Option(
                nil, "baseline", .required("FILE"), "say where the path differs from that of a former run",
                detail:
                    "FILE is what swtrace --json wrote, once or several times and for any number of hosts. A host is "
                    + "looked up by its name and address, then by its address, then by its name. A hop that was or is "
                    + "silent is no difference, and neither is a router that was one of several there.",
                completion: .file
            ) { $0.findings.baseline = try $1.text(maximumLength: 4_096) },
        ])

    /// What is to be found out beside the path.
    struct Findings: Sendable {
        /// `-A`.
        var wantsOrigins = false
        var originTable: String?
        var asksDNSForOrigins = false
        var assertions: [PathAssertion] = []
        var baseline: String?

        var findsOrigins: Bool { originTable != nil || asksDNSForOrigins }

        /// Options that need others.
        ///
        /// - Parameter findsMTU: whether the path's MTU is going to be known.
        func check(findsMTU: Bool) throws(ToolFailure) {
            if wantsOrigins, !findsOrigins {
                throw ToolFailure("option -A: needs --asn-db FILE, or --asn-dns, which asks origin.asn.cymru.com")
            }
            for assertion in assertions {
                switch assertion.need {
                case .origins where !findsOrigins:
                    throw ToolFailure(
                        "option --fail-if: '\(assertion.text)' needs --asn-db FILE, or --asn-dns, which asks "
                            + "origin.asn.cymru.com")
                case .mtu where !findsMTU:
                    throw ToolFailure("option --fail-if: '\(assertion.text)' needs --mtu")
                default: break
                }
            }
        }
    }
}
