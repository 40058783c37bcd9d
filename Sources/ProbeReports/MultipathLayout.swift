/// Where the nodes of a layered graph stand in a picture, so that few edges cross and most are short.
///
/// Each layer is ordered by where its neighbours stand (Sugiyama, Tagawa and Toda, IEEE Trans. SMC 1981), and then moved as
/// near to them as its own widths allow.
struct MultipathLayout {
    /// Nodes of each layer from left to right.
    private(set) var layers: [[Int]]
    /// Of the middle of each node, from 0 on; no unit but that of the widths.
    private(set) var x: [Double]

    private let parents: [[Int]]
    private let children: [[Int]]

    /// O(rounds * edges * log nodes).
    ///
    /// - Parameters:
    ///   - widths: of the nodes.
    ///   - gap: between two.
    init(_ shape: MultipathShape, widths: [Double], gap: Double) {
        layers = shape.layers
        parents = shape.nodes.indices.map { shape.parents(of: $0) }
        children = shape.nodes.indices.map { shape.children(of: $0) }
        x = Array(repeating: 0, count: shape.nodes.count)
        order()
        for layer in layers {
            var left = 0.0
            for node in layer {
                x[node] = left + widths[node] / 2
                left += widths[node] + gap
            }
        }
        for _ in 0..<Self.rounds {
            for depth in layers.indices.dropFirst() { pull(depth, to: parents, widths, gap) }
            for depth in layers.indices.dropLast().reversed() { pull(depth, to: children, widths, gap) }
        }
        let left = x.indices.map { x[$0] - widths[$0] / 2 }.min() ?? 0
        for node in x.indices { x[node] -= left }
    }

    // MARK: Order

    /// Goes down and up, and keeps what has the fewest crossings.
    private mutating func order() {
        var place = Array(repeating: 0.0, count: x.count)
        func number(_ layer: [Int]) { for (index, node) in layer.enumerated() { place[node] = Double(index) } }
        func sorted(_ layer: [Int], by neighbours: [[Int]]) -> [Int] {
            let wanted = layer.map { node in
                neighbours[node].isEmpty
                    ? place[node] : neighbours[node].reduce(0) { $0 + place[$1] } / Double(neighbours[node].count)
            }
            return layer.indices.sorted { (wanted[$0], $0) < (wanted[$1], $1) }.map { layer[$0] }
        }
        layers.forEach(number)
        var best = layers
        var fewest = crossings
        for _ in 0..<Self.rounds where fewest > 0 {
            for depth in layers.indices.dropFirst() {
                layers[depth] = sorted(layers[depth], by: parents)
                number(layers[depth])
            }
            for depth in layers.indices.dropLast().reversed() {
                layers[depth] = sorted(layers[depth], by: children)
                number(layers[depth])
            }
            let count = crossings
            if count < fewest { (best, fewest) = (layers, count) }
        }
        layers = best
    }

    /// How many pairs of edges cross. O(edges log nodes): those that end further right than one that begins further right
    /// are counted in a tree of sums (Fenwick, 1994).
    private var crossings: Int {
        var sum = 0
        for depth in layers.indices.dropFirst() {
            let place = Dictionary(uniqueKeysWithValues: layers[depth].enumerated().map { ($1, $0) })
            var tree = Array(repeating: 0, count: layers[depth].count + 1)
            var before = 0
            for node in layers[depth - 1] {
                let ends = children[node].compactMap { place[$0] }.sorted()
                for end in ends {
                    var index = end + 1
                    var notBeyond = 0
                    while index > 0 {
                        notBeyond += tree[index]
                        index &= index - 1
                    }
                    sum += before - notBeyond
                }
                for end in ends {
                    var index = end + 1
                    while index < tree.count {
                        tree[index] += 1
                        index += index & -index
                    }
                }
                before += ends.count
            }
        }
        return sum
    }

    // MARK: Places

    /// Moves a layer to where its neighbours are, its order and distances kept: the least squares (pool adjacent violators).
    private mutating func pull(_ depth: Int, to neighbours: [[Int]], _ widths: [Double], _ gap: Double) {
        let layer = layers[depth]
        var offset = 0.0
        var offsets: [Double] = []
        var pools: [(sum: Double, count: Int)] = []
        for (index, node) in layer.enumerated() {
            if index > 0 { offset += (widths[layer[index - 1]] + widths[node]) / 2 + gap }
            offsets.append(offset)
            let near = neighbours[node]
            let wanted = near.isEmpty ? x[node] : near.reduce(0) { $0 + x[$1] } / Double(near.count)
            pools.append((wanted - offset, 1))
            while pools.count > 1 {
                let (last, other) = (pools[pools.count - 1], pools[pools.count - 2])
                guard other.sum / Double(other.count) > last.sum / Double(last.count) else { break }
                pools.removeLast()
                pools[pools.count - 1] = (other.sum + last.sum, other.count + last.count)
            }
        }
        var index = 0
        for pool in pools {
            for _ in 0..<pool.count {
                x[layer[index]] = pool.sum / Double(pool.count) + offsets[index]
                index += 1
            }
        }
    }

    private static let rounds = 12
}
