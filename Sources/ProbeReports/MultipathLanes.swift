import ProbeEngine

/// A multipath graph drawn with characters: a row for each node, the first hop on top, and a lane for each branch.
///
/// Nodes with the same neighbours on both sides hang one below the other from one lane, so that what is wide but simple
/// stays narrow. Between two hops rows of lines join what belongs together, each row for nodes with the same next hops.
/// Lines that meet are joined; one that passes another leaves it whole, and where an arrow ends at one it goes its way only.
struct MultipathLanes {
    struct Row {
        /// The node that stands in this row; nil in one of lines alone.
        var node: Int?
        /// One element for each column.
        fileprivate var cells: [Cell]
        /// What would stand in a further row for the same node.
        fileprivate var continuing: [Cell] = []

        /// - Parameter hasBoxes: whether Unicode's box drawing characters may be used, ASCII else.
        func text(hasBoxes: Bool) -> String { String(cells.map { hasBoxes ? $0.box : $0.plain }) }

        /// As `text`, of a further row for the same node.
        func continuation(hasBoxes: Bool) -> String { String(continuing.map { hasBoxes ? $0.box : $0.plain }) }
    }

    /// From top to bottom.
    let rows: [Row]
    /// False where the graph is too wide: then each node has a row, and there are no lines.
    let hasLines: Bool

    /// O(nodes * lanes).
    init(_ shape: MultipathShape) {
        var drawing = Drawing(shape)
        let drawn = drawing.draw()
        hasLines = drawn != nil
        rows =
            drawn ?? shape.layers.joined().map { Row(node: $0, cells: [.node(shape.nodes[$0])], continuing: [.space]) }
    }
}

/// Nodes of one hop with the same nodes before them and the same behind them.
private struct Bundle {
    var members: [Int]
    /// Indices of bundles.
    var parents: [Int] = []
    var children: [Int] = []
    /// Whether it is uncertain who comes before them, and behind them.
    var hasUncertainParents = false
    var hasUncertainChildren = false
    var lane = 0
}

/// One column for as long as a branch goes on.
private struct Lane {
    var depths: ClosedRange<Int>
    /// In cells.
    var width = 1
    var x = 0
}

/// Bundles with the same next ones, and the row that joins them.
private struct Net {
    var parents: [Int]
    var children: [Int]
    var row: Int?
}

private struct Drawing {
    private let shape: MultipathShape
    private var bundles: [Bundle] = []
    /// Indices of bundles by depth.
    private var layers: [[Int]] = []
    private var lanes: [Lane] = []
    /// Indices of lanes from left to right.
    private var order: [Int] = []
    /// Between each layer and the next.
    private var nets: [[Net]] = []
    private var width = 0

    init(_ shape: MultipathShape) {
        self.shape = shape
        bundle()
        for depth in layers.indices { placeLanes(at: depth) }
        placeColumns()
    }

    // MARK: Who is drawn as one

    private struct Neighbours: Hashable {
        var parents: [Int]
        var children: [Int]
        var isEnd: Bool
    }

    private mutating func bundle() {
        var bundleOf: [Int] = Array(repeating: 0, count: shape.nodes.count)
        for layer in shape.layers {
            var known: [Neighbours: Int] = [:]
            var indices: [Int] = []
            for node in layer {
                let neighbours = Neighbours(
                    parents: shape.parents(of: node).sorted(), children: shape.children(of: node).sorted(),
                    isEnd: shape.nodes[node].isEnd)
                if let index = known[neighbours] {
                    bundles[index].members.append(node)
                    bundleOf[node] = index
                } else {
                    known[neighbours] = bundles.count
                    bundleOf[node] = bundles.count
                    indices.append(bundles.count)
                    bundles.append(Bundle(members: [node]))
                }
            }
            layers.append(indices)
        }
        for edge in shape.edges {
            let (from, to) = (bundleOf[edge.from], bundleOf[edge.to])
            if !bundles[from].children.contains(to) {
                bundles[from].children.append(to)
                bundles[to].parents.append(from)
            }
            if !edge.isCertain {
                bundles[from].hasUncertainChildren = true
                bundles[to].hasUncertainParents = true
            }
        }
    }

    // MARK: Where they are drawn

    /// Continues the lanes of the layer before, as far as they go straight on, and begins others beside them.
    private mutating func placeLanes(at depth: Int) {
        var isPlaced: Set<Int> = []
        if depth > 0 {
            let position = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
            let parents = layers[depth - 1].sorted { position[bundles[$0].lane] ?? 0 < position[bundles[$1].lane] ?? 0 }
            var nets: [Net] = []
            var netOf: [[Int]: Int] = [:]
            for parent in parents where !bundles[parent].children.isEmpty {
                let children = bundles[parent].children.sorted()
                if let net = netOf[children] {
                    nets[net].parents.append(parent)
                } else {
                    netOf[children] = nets.count
                    nets.append(Net(parents: [parent], children: children))
                }
            }
            for net in nets {
                // Of lines that end at a node, the first to be drawn may come straight from above: a later one may not,
                // because it still has others to go to when the first has arrived.
                var free = net.parents.map { bundles[$0].lane }[...]
                var last = free[free.startIndex]
                for child in net.children where isPlaced.insert(child).inserted {
                    if let lane = free.popFirst() {
                        place(child, in: lane, depth)
                        last = lane
                    } else {
                        last = placeInNewLane(child, behind: last, depth)
                    }
                }
            }
            self.nets.append(nets)
        }
        for bundle in layers[depth] where !isPlaced.contains(bundle) {
            _ = placeInNewLane(bundle, behind: order.last, depth)
        }
    }

    private mutating func place(_ bundle: Int, in lane: Int, _ depth: Int) {
        bundles[bundle].lane = lane
        lanes[lane].depths = lanes[lane].depths.lowerBound...depth
        if bundles[bundle].members.count > 1 { lanes[lane].width = 2 }
    }

    private mutating func placeInNewLane(_ bundle: Int, behind other: Int?, _ depth: Int) -> Int {
        let lane = lanes.count
        lanes.append(Lane(depths: depth...depth))
        order.insert(lane, at: other.flatMap { order.firstIndex(of: $0) }.map { $0 + 1 } ?? order.count)
        place(bundle, in: lane, depth)
        return lane
    }

    /// Moves every lane as far to the left as those beside it allow. Where one ends and another begins behind the same
    /// hop they stay apart: what looks like one line would be read as one.
    private mutating func placeColumns() {
        for (index, lane) in order.enumerated() {
            let depths = (lanes[lane].depths.lowerBound - 1)...lanes[lane].depths.upperBound
            for other in order[..<index]
            where (lanes[other].depths.lowerBound - 1...lanes[other].depths.upperBound).overlaps(depths) {
                lanes[lane].x = max(lanes[lane].x, lanes[other].x + lanes[other].width)
            }
            width = max(width, lanes[lane].x + lanes[lane].width)
        }
        let sorted = layers.map { $0.sorted { lane(of: $0).x < lane(of: $1).x } }
        layers = sorted
    }

    private func lane(of bundle: Int) -> Lane { lanes[bundles[bundle].lane] }

    // MARK: Drawing

    mutating func draw() -> [MultipathLanes.Row]? {
        guard width <= Self.maximumWidth else { return nil }
        var rows: [MultipathLanes.Row] = []
        for depth in layers.indices {
            for bundle in layers[depth] { draw(bundle, depth, to: &rows) }
            if depth < nets.count { drawLines(behind: depth, to: &rows) }
        }
        return rows
    }

    private func draw(_ bundle: Int, _ depth: Int, to rows: inout [MultipathLanes.Row]) {
        let own = bundles[bundle]
        let column = lane(of: bundle).x * 2
        for (index, node) in own.members.enumerated() {
            var cells = emptyRow
            var isBefore = true
            for other in layers[depth] {
                if other == bundle {
                    isBefore = false
                    continue
                }
                let (linked, isUncertain) =
                    isBefore
                    ? (!bundles[other].children.isEmpty, bundles[other].hasUncertainChildren)
                    : (!bundles[other].parents.isEmpty, bundles[other].hasUncertainParents)
                if linked { cells[lane(of: other).x * 2] = .vertical(isUncertain) }
            }
            var continuing = cells
            let goesOn = index < own.members.count - 1 || !own.children.isEmpty
            if goesOn { continuing[column] = .vertical(own.hasUncertainChildren) }
            let symbol = Cell.node(shape.nodes[node])
            if own.members.count == 1 {
                cells[column] = symbol
            } else {
                var joint: Cell.Arms = [.right]
                if index > 0 || !own.parents.isEmpty { joint.insert(.up) }
                if goesOn { joint.insert(.down) }
                cells[column] = .line(joint, isUncertain: false)
                cells[column + 1] = .horizontal(own.hasUncertainParents)
                cells[column + 2] = symbol
            }
            rows.append(MultipathLanes.Row(node: node, cells: cells, continuing: continuing))
        }
    }

    /// Draws the rows that lead from a layer to the next; none where all goes straight on.
    private mutating func drawLines(behind depth: Int, to rows: inout [MultipathLanes.Row]) {
        var nets = nets[depth]
        var count = 0
        for index in nets.indices where needsRow(nets[index]) {
            let row = (0...count).first { row in
                nets[..<index].allSatisfy { other in
                    guard let taken = other.row else { return true }
                    if nets[index].children.contains(where: other.children.contains) { return taken < row }
                    return taken != row || !span(of: other).overlaps(span(of: nets[index]))
                }
            }
            nets[index].row = row ?? count
            count = max(count, (row ?? count) + 1)
        }
        for row in 0..<count {
            var cells = emptyRow
            for net in nets { drawVerticals(of: net, at: row, nets, &cells) }
            for net in nets where net.row == row { drawJoint(of: net, nets, &cells) }
            rows.append(MultipathLanes.Row(node: nil, cells: cells))
        }
    }

    private func needsRow(_ net: Net) -> Bool {
        net.parents.count > 1 || net.children.count > 1
            || bundles[net.parents[0]].lane != bundles[net.children[0]].lane
    }

    /// Columns of the leftmost and the rightmost of its lanes.
    private func span(of net: Net) -> ClosedRange<Int> {
        let columns = (net.parents + net.children).map { lane(of: $0).x * 2 }
        return (columns.min() ?? 0)...(columns.max() ?? 0)
    }

    /// The parts of lanes that a net is responsible for where they pass a row.
    private func drawVerticals(of net: Net, at row: Int, _ nets: [Net], _ cells: inout [Cell]) {
        for parent in net.parents where row < net.row ?? 0 {
            cells[lane(of: parent).x * 2] = .vertical(bundles[parent].hasUncertainChildren)
        }
        for child in net.children where row > net.row ?? -1 {
            cells[lane(of: child).x * 2] = .vertical(bundles[child].hasUncertainParents)
        }
    }

    private func drawJoint(of net: Net, _ nets: [Net], _ cells: inout [Cell]) {
        let isUncertain = net.parents.contains { bundles[$0].hasUncertainChildren }
        let span = span(of: net)
        for column in span where cells[column] == .space { cells[column] = .horizontal(isUncertain) }
        var arms: [Int: Cell.Arms] = [:]
        for parent in net.parents { arms[lane(of: parent).x * 2, default: []].insert(.up) }
        for child in net.children {
            let column = lane(of: child).x * 2
            // Another row has brought it here, or its line comes straight down.
            let isThere = nets.contains { other in
                other.children.contains(child) && other.row ?? -1 < net.row ?? 0
            }
            if isThere, net.children.count > 1 {
                // A joint would say that the line that is there goes to the others too.
                let comesFromRight = net.parents.contains { lane(of: $0).x * 2 > column }
                cells[comesFromRight ? column + 1 : column - 1] = comesFromRight ? .leftArrow : .rightArrow
            } else {
                arms[column, default: []].formUnion(isThere ? [.up, .down] : [.down])
            }
        }
        for (column, ends) in arms {
            var ends = ends
            if column > span.lowerBound { ends.insert(.left) }
            if column < span.upperBound { ends.insert(.right) }
            cells[column] = .line(ends, isUncertain: false)
        }
    }

    private var emptyRow: [Cell] { Array(repeating: .space, count: max(1, width * 2 - 1)) }

    /// In cells of two columns: more leave no room for words in 80 columns.
    private static let maximumWidth = 24
}

/// What stands in one column of a row.
private enum Cell: Hashable {
    struct Arms: OptionSet, Hashable {
        let rawValue: UInt8
        static let up = Arms(rawValue: 1)
        static let down = Arms(rawValue: 2)
        static let left = Arms(rawValue: 4)
        static let right = Arms(rawValue: 8)
    }

    case space
    case line(Arms, isUncertain: Bool)
    case leftArrow
    case rightArrow
    /// Somebody who answers.
    case router
    case silence
    case destination

    static func vertical(_ isUncertain: Bool) -> Cell { .line([.up, .down], isUncertain: isUncertain) }
    static func horizontal(_ isUncertain: Bool) -> Cell { .line([.left, .right], isUncertain: isUncertain) }

    static func node(_ node: MultipathGraph.Node) -> Cell {
        if node.responder == nil { return .silence }
        return node.answer?.kind == .reached ? .destination : .router
    }

    var box: Character {
        switch self {
        case .space: " "
        case .line(let arms, let isUncertain):
            isUncertain ? arms == [.up, .down] ? "┆" : "┄" : Self.boxes[Int(arms.rawValue)]
        case .leftArrow: "◂"
        case .rightArrow: "▸"
        case .router: "●"
        case .silence: "○"
        case .destination: "◎"
        }
    }

    var plain: Character {
        switch self {
        case .space: " "
        case .line([.up, .down], let isUncertain): isUncertain ? ":" : "|"
        case .line([.left, .right], let isUncertain): isUncertain ? "." : "-"
        case .line: "+"
        case .leftArrow: "<"
        case .rightArrow: ">"
        case .router: "o"
        case .silence: "?"
        case .destination: "@"
        }
    }

    /// By the arms, up 1, down 2, left 4, right 8.
    private static let boxes: [Character] = [
        " ", "╵", "╷", "│", "╴", "┘", "┐", "┤", "╶", "└", "┌", "├", "─", "┴", "┬", "┼",
    ]
}
