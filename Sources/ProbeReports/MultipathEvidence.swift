import PacketFormats
import ProbeEngine

extension PathEvidence {
    /// What conditions judge where there are many paths: a row of everybody at each hop limit, with the shortest round trip of
    /// each, and as the destination's distance that of the longest path. O(nodes).
    public init(
        of graph: MultipathGraph, zones: [UInt32: SafeText] = [:],
        origins: @escaping (IPAddress) -> ASOrigins? = { _ in nil }
    ) {
        let numbers = Set(graph.nodes.map(\.hop)).sorted()
        let hops = numbers.map { number in
            PathHop(
                number: number,
                answers: graph.nodes(at: number).map { index in
                    var answer = graph.nodes[index].answer
                    if graph.nodes[index].received > 0 { answer?.roundTrip = graph.nodes[index].roundTrips.minimum }
                    return answer
                })
        }
        let ends = graph.nodes.filter { $0.answer?.kind == .reached }
        self.init(hops: hops, lastHop: ends.map(\.hop).max(), zones: zones, origins: origins)
        partlySilentHops = hops.filter { hop in hop.answers.contains { $0 == nil } }.map(\.number)
    }
}
