import CommandLineOptions

extension Options {
    /// What stands in a row, and the lines behind the rows, for the man page.
    static var meanings: [Meaning] { marks + findings + graph }

    private static let marks = [
        Meaning(
            "4 name (192.0.2.1) 1.250 ms 1.187 ms",
            "The probes that were sent with hop limit 4 came as far as this router, and so long took its answers. Another "
                + "address in the same row stands before the times of its own answers."),
        Meaning("*", "No answer to this probe came in the time that it was waited for."),
        Meaning("!H !N !P", "Host, network or protocol unreachable."),
        Meaning(
            "!F-1400", "The probe was too long to go on and forbade fragmentation: the next link takes 1,400 octets."),
        Meaning("!S", "The source route failed."),
        Meaning("!X !V !C", "Forbidden by an administrator; host precedence violation; precedence cutoff in effect."),
        Meaning("!<13> !<12-0>", "Another code of destination unreachable; another ICMP type and code."),
        Meaning("'-10'", "With --back: the answer came back over ten hops, as far as its own hop limit tells."),
        Meaning("F=1400", "With --mtu: from this hop on packets may have no more octets."),
        Meaning(
            "<MPLS:L=16004,E=0,S=1,T=1>",
            "With -e: the label that the probe had when it came to the router, with its traffic class, bottom of stack "
                + "and time to live. Other extensions stand there too."),
        Meaning("<syn,ack>", "With -O info: the flags of the segment that the target answered with."),
        Meaning("[AS64500]", "With an option for AS numbers: who announces the address. An asterisk: nobody knows."),
        Meaning(
            "not sent: hop 1 (...)", "On standard error: the kernel refused the probes from this hop limit on, and why."
        ),
    ]

    private static let findings = [
        Meaning(
            "hops 3-5: way back of 9 to 11 hops",
            "The answers came back over another number of hops than the probes went. It is guessed from their hop limits."
        ),
        Meaning(
            "perhaps an invisible MPLS tunnel of 3 hops before hop 5: ...",
            "The way back is longer from there on by hops that no row shows, and gets in step again."),
        Meaning(
            "hop 5: time exceeded of 192.0.2.1 came back over 3 hops more than its echo reply: ...",
            "The same of the way back."),
        Meaning(
            "DSCP cleared between hop 2 and 4: 0x2e -> 0x00",
            "What routers quote of the probe differs from hop 4 on. So do ECN, addresses, ports, checksum and the options "
                + "of TCP where somebody rewrites them. Without such a line nothing is said about NAT: one that rewrites "
                + "quotes too is invisible."),
        Meaning(
            "hop 3 alone quotes ...; hop 3: 1 of 3 answers quote ...",
            "One router quotes what neither those before nor those behind it do, or not always the same."),
        Meaning(
            "hops 3-5: quoted hop limits rise, 1, 2, 3: perhaps an MPLS tunnel",
            "Routers in between do not count the probe's hop limit down."),
        Meaning(
            "hops 2-3: both are 192.0.2.1",
            "One router at two hops: it may pass on packets whose hop limit has run out."),
        Meaning(
            "hop 4: 192.0.2.1 quotes hop limit 3 where 1 was due",
            "Somebody on the way there changes hop limits. The line about what the destination got says the same of it."
        ),
        Meaning("hop 4: came in by ge-0/0/1 (192.0.2.1)", "What the router says of its interfaces (RFC 5837)."),
        Meaning(
            "hops 1-4: limited: 1 of 3 answered each, the later hop 3 of 3",
            "These routers forward but leave out errors of their own, as limiters of their rate do. That is no loss."),
        Meaning(
            "loss from hop 3 on: ...; loss on the way to hop 5: ...",
            "Probes or answers get lost, on the link in front of hop 3, or on one that can't be told."),
        Meaning("loop: hops 3-6 repeat 192.0.2.1, 192.0.2.5", "Packets go round in circles."),
        Meaning(
            "hop 3: 2 routers for one flow: ...",
            "A balancer goes by packets and not by flows, or the path changed meanwhile."),
        Meaning("hop 4: 192.0.2.1 says: ...", "Who says that the path goes no further, and why."),
        Meaning("nothing answered behind hop 4", "Up to the last hop limit that was asked."),
        Meaning(
            "path MTU 1400: ...; black hole behind hop 3: ...; MTU 68 is not believed: ...",
            "With --mtu: the largest packet that comes through and who says so, links that drop larger ones without a "
                + "word, and what was said and can't be true."),
    ]

    private static let graph = [
        Meaning(
            "● ○ ◎",
            "With --multipath: a router, somebody silent, the destination; o, ? and @ where the terminal takes ASCII only. "
                + "Lines lead from each to those that come next, and nodes beside each other have the same distance."),
        Meaning(
            "3 next hops by flow, 99.5% sure",
            "Probes part here: the more of them went through, the surer it is that there is no fourth next hop. By packet, "
                + "where not even those of one flow take the same."),
        Meaning("share", "How many of the flows came by there."),
        Meaning(
            "all next hops found: 96.8% sure per node (asked: 95%), 68% for the whole trace",
            "Of the node that is the least sure, and of all of them together: if each had one more next hop than is known, "
                + "chosen as often as the others."),
        Meaning(
            "hops 5, 7 answer only so many probes a second, and had to be asked slowly",
            "Linux gives a host six ICMP errors at once and then one a second. The trace waited for them."),
    ]
}
