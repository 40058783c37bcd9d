import PacketFormats
import SimulatedNetwork
import Testing

/// A tunnel with three routers inside, and one router before and behind it.
@Suite struct TunnelTests {
    static let targets = ["10.0.9.9", "fd00:9::9"]

    struct Hop: Equatable {
        var source: String
        /// Of the answer.
        var hopLimit: UInt8
        /// In the quote.
        var quoted: UInt8
        var labels: [MPLSLabel] = []
    }

    private func network(_ kind: String, _ more: String = "") throws -> SimulatedNetwork {
        try SimulatedNetwork(
            """
            source 10.0.0.1 fd00::1
            router in 10.0.1.1 fd00:1::1 delay 1ms
            router p1 10.0.2.1 fd00:2::1 delay 1ms
            router p2 10.0.3.1 fd00:3::1 delay 1ms
            router p3 10.0.4.1 fd00:4::1 delay 1ms
            router out 10.0.5.1 fd00:5::1 delay 1ms
            router r6 10.0.6.1 fd00:6::1 delay 1ms
            path source in
            tunnel in p1 p2 p3 out \(kind)
            path out r6
            target 10.0.9.9 fd00:9::9 via r6
            target 10.0.7.7 via p2
            \(more)
            """)
    }

    private func hops(_ network: inout SimulatedNetwork, to target: String) throws -> [Hop] {
        var hops: [Hop] = []
        for hop in 1...10 as ClosedRange<UInt8> {
            let answer = try #require(try network.ask(Host.datagram(to: target, hopLimit: hop)).first)
            #expect(answer.checksumVerifies)
            guard answer.isTimeExceeded else { break }
            let error = try ICMPErrorMessage(parsing: answer.message.bytes, version: answer.version)
            let quoted = try QuotedPacket(parsing: answer.quote.bytes, version: answer.version)
            var labels: [MPLSLabel] = []
            if case .mpls(let found)? = error.extensions?.objects.first { labels = found }
            hops.append(
                Hop(source: answer.source, hopLimit: answer.hopLimit, quoted: quoted.hopLimit, labels: labels))
        }
        return hops
    }

    private func address(_ number: Int, _ target: String) -> String {
        target.contains(":") ? "fd00:\(number)::1" : "10.0.\(number).1"
    }

    /// Inside the hop limit of the packet stands still, and an error takes the way over the end of the tunnel.
    @Test(arguments: targets, [true, false])
    func routersInsideAnswer(target: String, isExplicit: Bool) throws {
        var network = try network(isExplicit ? "explicit label 16004" : "implicit")
        let found = try hops(&network, to: target)
        func label(_ number: UInt32) -> [MPLSLabel] {
            isExplicit ? [MPLSLabel(label: number, isBottomOfStack: true, timeToLive: 1)] : []
        }
        #expect(
            found == [
                Hop(source: address(1, target), hopLimit: 255, quoted: 1),
                // Two more inside, the last router, and then three and one back.
                Hop(source: address(2, target), hopLimit: 255 - 2 - 1 - 3 - 1, quoted: 1, labels: label(16_004)),
                Hop(source: address(3, target), hopLimit: 255 - 1 - 1 - 3 - 1, quoted: 2, labels: label(16_005)),
                Hop(source: address(4, target), hopLimit: 255 - 0 - 1 - 3 - 1, quoted: 3, labels: label(16_006)),
                Hop(source: address(5, target), hopLimit: 255 - 4, quoted: 1),
                Hop(source: address(6, target), hopLimit: 255 - 5, quoted: 1),
            ])
        let inside = try network.ask(Host.datagram(to: target, hopLimit: 2), at: second)[0]
        #expect(inside.time == second + 2 * milli + 3 * milli + 5 * milli)
    }

    @Test(arguments: targets, [false, true])
    func routersInsideAreHidden(target: String, isOpaque: Bool) throws {
        var network = try network(isOpaque ? "opaque" : "invisible")
        let label = MPLSLabel(label: 24_003, isBottomOfStack: true, timeToLive: 252)
        #expect(
            try hops(&network, to: target) == [
                Hop(source: address(1, target), hopLimit: 255, quoted: 1),
                // The label takes three hops off on the way back, though nobody inside counts on the way out.
                Hop(source: address(5, target), hopLimit: 252 - 1, quoted: 1, labels: isOpaque ? [label] : []),
                Hop(source: address(6, target), hopLimit: 252 - 1, quoted: 1),
            ])
        // What starts with fewer hops than the label has left keeps them.
        let echo = try network.ask(Host.echo(to: target))[0]
        #expect(echo.isEchoReply && echo.hopLimit == 64 - 3)
    }

    /// What is addressed to a router inside, or to a host behind one, has no label.
    @Test func whoAsksForARouterInsideSeesIt() throws {
        var network = try network("invisible")
        #expect(try network.ask(Host.datagram(to: "10.0.3.1", hopLimit: 2))[0].source == "10.0.2.1")
        #expect(try network.ask(Host.echo(to: "10.0.3.1"))[0].hopLimit == 253)
        #expect(try hops(&network, to: "10.0.7.7").map(\.source) == ["10.0.1.1", "10.0.2.1", "10.0.3.1"])
    }

    @Test func aReturnPathOfItsOwnHoldsInsideToo() throws {
        var network = try network("explicit", "return p2 hops 7")
        let found = try hops(&network, to: "10.0.9.9")
        #expect(found[2].hopLimit == 255 - 7)
        // The others come by p2 on their way back.
        #expect(found[4].hopLimit == 255 - 1 - 1 - 7)
    }
}
