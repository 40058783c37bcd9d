import CommandLineOptions

extension Options {
    static let probeSection = OptionSection<Options>(
        "Probes",
        [
            Option("I", "icmp", "send ICMP echo requests") { options, _ in options.proto = .icmp },
            Option("T", "tcp", "send TCP SYN segments") { options, _ in
                options.proto = .tcp
            },
            Option("U", "udp", "send UDP datagrams to port 53 instead of 33434") { options, _ in
                options.proto = .udp
                options.isDNSPort = true
            },
            Option("p", "port", .required("PORT"), "destination port (UDP 33434, TCP 80)") {
                $0.port = try $1.port()
            },
            Option(
                nil, "flow", .required("KIND"), "paris: one flow; classic: the port counts up with each probe",
                completion: .words(["paris", "classic"])
            ) { $0.changesPort = try $1.word(["paris", "classic"]) == "classic" },
            Option("F", "dont-fragment", "forbid fragmentation") { options, _ in options.dontFragment = true },
            Option("t", "tos", .required("TOS"), "type of service or traffic class (0)") {
                $0.trafficClass = try $1.wholeNumber(in: 0...255, hexadecimal: true)
            },
            Option("s", "source", .required("ADDRESS"), "send from this address of this host") {
                $0.source = try $1.text(maximumLength: 128)
            },
        ])
}
