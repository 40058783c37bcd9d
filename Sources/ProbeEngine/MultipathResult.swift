import PacketFormats

extension MultipathTrace {
    /// What is known by now. O(probes + hops * flows).
    public var graph: MultipathGraph {
        let view = MultipathView(rows, firstHop: firstHop, flows: flowCount, isLite: configuration.isLite)
        var graph = MultipathGraph(configuration.space, firstHop: firstHop)
        let last = min(rows.count, view.furthest + 1)
        var places: [[Int: Int]] = []
        for hop in firstHop..<max(firstHop, last + 1) {
            guard let here = view.hop(hop) else { break }
            places.append(appendNodes(here, hop, to: &graph))
        }
        for hop in firstHop..<max(firstHop, firstHop + places.count) {
            guard let here = view.hop(hop) else { break }
            judge(here, above: hop == firstHop ? nil : places[hop - firstHop - 1], isLast: hop > view.furthest, &graph)
            if hop > firstHop {
                appendEdges(
                    here, view.hop(hop - 1), rows[hop - 1].variations, places[hop - firstHop - 1],
                    places[hop - firstHop], to: &graph)
            }
        }
        count(view, places, &graph)
        for index in graph.nodes.indices where graph.nodes[index].balancing == .none {
            if graph.edges.count(where: { $0.from == index && $0.isCertain }) > 1 {
                graph.nodes[index].balancing = .flows
            }
        }
        return graph
    }

    /// Returns where each of a hop's vertices stands among the nodes.
    private func appendNodes(_ here: MultipathView.Hop, _ hop: Int, to graph: inout MultipathGraph) -> [Int: Int] {
        var places: [Int: Int] = [:]
        let ordered = here.alive.sorted { left, right in
            guard left >= 0, right >= 0 else { return left >= 0 && right < 0 }
            return rows[hop - 1].responders[left] < rows[hop - 1].responders[right]
        }
        for vertex in ordered {
            places[vertex] = graph.nodes.count
            var node = MultipathGraph.Node(
                hop: hop, responder: vertex >= 0 ? rows[hop - 1].responders[vertex] : nil)
            node.flows = here.vertices.indices.filter { here.vertices[$0] == vertex }
            graph.nodes.append(node)
        }
        return places
    }

    /// How sure it is that a hop's nodes are all.
    private func judge(
        _ here: MultipathView.Hop, above: [Int: Int]?, isLast: Bool, _ graph: inout MultipathGraph
    ) {
        for group in here.groups {
            // Behind the last who answered nobody was looked for.
            let miss =
                isLast && group.seen.allSatisfy { $0 == MultipathView.silent }
                ? 0 : StoppingRule.missProbability(havingSeen: group.seen.count, probes: group.tested)
            guard let above else {
                graph.sourceMissProbability = miss
                continue
            }
            if let node = above[group.parent] {
                graph.nodes[node].missProbability = miss
                graph.nodes[node].tested = group.tested
                if group.isByPackets { graph.nodes[node].balancing = .packets }
            } else {
                let share = miss / Double(max(1, above.count))
                for node in above.values {
                    graph.nodes[node].missProbability = max(graph.nodes[node].missProbability, share)
                    graph.nodes[node].tested = max(graph.nodes[node].tested, group.tested)
                }
            }
        }
    }

    private func appendEdges(
        _ here: MultipathView.Hop, _ above: MultipathView.Hop?, _ variations: [(flow: Int, vertex: Int)],
        _ from: [Int: Int], _ to: [Int: Int], to graph: inout MultipathGraph
    ) {
        var met: [(from: Int, to: Int, isCertain: Bool, flow: Int?)] = []
        func meet(_ parent: Int, _ vertex: Int, _ flow: Int?) {
            guard let target = to[vertex] else { return }
            if let origin = from[parent] {
                met.append((origin, target, true, flow))
            } else if parent == MultipathView.mixed, let above {
                for scattered in above.scattered {
                    guard let origin = from[scattered] else { continue }
                    met.append((origin, target, above.scattered.count == 1 || to.count == 1, nil))
                }
            }
        }
        for flow in here.vertices.indices where here.vertices[flow] != MultipathView.unknown {
            meet(here.parents[flow], here.vertices[flow], flow)
        }
        for variation in variations where here.parents.indices.contains(variation.flow) {
            meet(here.parents[variation.flow], variation.vertex, nil)
        }
        met.sort {
            ($0.from, $0.to, $0.isCertain ? 0 : 1, $0.flow ?? .max) < (
                $1.from, $1.to, $1.isCertain ? 0 : 1, $1.flow ?? .max
            )
        }
        for (from, to, isCertain, flow) in met {
            if graph.edges.last?.from != from || graph.edges.last?.to != to {
                var edge = MultipathGraph.Edge(from: from, to: to)
                edge.isCertain = isCertain
                graph.edges.append(edge)
            }
            if let flow { graph.edges[graph.edges.count - 1].flows.append(flow) }
        }
    }

    /// Counts what was sent and answered.
    private func count(_ view: MultipathView, _ places: [[Int: Int]], _ graph: inout MultipathGraph) {
        var edges: [Int: Int] = [:]
        for index in graph.edges.indices { edges[graph.edges[index].from << 32 | graph.edges[index].to] = index }
        for sample in samples {
            guard let here = view.hop(sample.hop), view.ends[sample.flow] >= sample.hop,
                places.indices.contains(sample.hop - firstHop)
            else { continue }
            let vertex = sample.answer == nil ? here.vertices[sample.flow] : sample.vertex
            guard let node = places[sample.hop - firstHop][vertex] else { continue }
            graph.nodes[node].transmitted += 1
            if let answer = sample.answer {
                graph.nodes[node].received += 1
                graph.nodes[node].roundTrips.record(answer.roundTrip)
                if graph.nodes[node].answer == nil { graph.nodes[node].answer = answer }
            }
            guard sample.hop > firstHop, let from = places[sample.hop - firstHop - 1][here.parents[sample.flow]],
                let edge = edges[from << 32 | node]
            else { continue }
            graph.edges[edge].transmitted += 1
            if let answer = sample.answer {
                graph.edges[edge].received += 1
                graph.edges[edge].roundTrips.record(answer.roundTrip)
            }
        }
    }
}
