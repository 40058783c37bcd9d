import PacketFormats
import ProbeEngine

/// What a `MultipathTrace` found, for people: the graph with a row for each node, and below it what it amounts to.
///
///     hop        responder     min ms  mean ms  share
///      4  ●      10.0.4.2       0.061    0.070         2 next hops by flow, 96.9% sure
///         ├─┐
///      5  ● │    10.0.51.2      0.070    0.071    52%
///         │ ●    10.0.52.2      0.071    0.073    48%
///      6  ● │    10.0.61.2      0.080    0.091    52%
///         │ ●    10.0.62.2      0.079    0.085    48%
///         ├─┘
///      7  ◎      10.0.99.9      0.121    0.130         destination
///
/// Bytes go to a buffer, nothing is printed. Every line ends with a line feed and is printable text otherwise.
public struct MultipathTextReport: MultipathReport {
    /// Whether `name (address)` stands for an address; without a name the address stands in its place too.
    public var showsNames: Bool {
        get { words.showsNames }
        set { words.showsNames = newValue }
    }
    /// Whether what routers add to their errors is shown: `<MPLS:L=16004,E=0,S=1,T=1>`.
    public var showsExtensions: Bool {
        get { words.showsExtensions }
        set { words.showsExtensions = newValue }
    }
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] {
        get { words.zones }
        set { words.zones = newValue }
    }
    /// Whether lines are drawn with Unicode's box drawing characters, or with ASCII.
    public var hasBoxes = true
    /// What a row says of its node goes on in a row of its own where this many columns don't hold it.
    public var columns = 80

    /// How a trace of one path would say it.
    private var words: PathTextReport

    public init(target: ReportTarget) { words = PathTextReport(target: target) }

    /// The first line: `traceroute to example.net (192.0.2.1), 30 hops max, 60 byte packets, all paths`.
    public func appendStart(_ start: MultipathStart, to buffer: inout ReportBuffer) {
        words.appendHead(start.configuration.maximumHop, start.packetLength, to: &buffer)
        buffer.append(", all paths\n")
    }

    /// The line of a probe that was not sent; nothing of others, which the graph tells of.
    public func append(
        _ event: MultipathEvent, _ facts: PathFacts, time: Int64 = 0, to buffer: inout ReportBuffer
    ) {
        if case .unsent(let hop, let failure) = event { words.append(unsent: failure, hop: hop, to: &buffer) }
    }

    /// The graph, an empty line, and what was found and how sure it is.
    public func appendSummary(_ run: MultipathRun, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        let shape = MultipathShape(run.graph)
        if !shape.nodes.isEmpty {
            append(shape, run, facts, to: &buffer)
            buffer.append("\n")
        }
        for line in run.conclusions(shape, hasBoxes: hasBoxes) { buffer.append("\(line)\n") }
    }

    // MARK: Rows

    private func append(
        _ shape: MultipathShape, _ run: MultipathRun, _ facts: PathFacts, to buffer: inout ReportBuffer
    ) {
        let lanes = MultipathLanes(shape)
        let captions = MultipathCaptions(shape, run, zones)
        let shares = shape.shares
        var table = Table()
        for row in lanes.rows {
            let picture = row.text(hasBoxes: hasBoxes)
            guard let index = row.node else {
                table.rows.append(TableRow(picture))
                continue
            }
            let node = shape.nodes[index]
            var line = TableRow(picture, responder(of: node, facts), node)
            line.loss = captions.lossText(of: index) ?? ""
            if let share = shares[index], share < 1 { line.share = percentage(share) }
            line.continuation = row.continuation(hasBoxes: hasBoxes)
            line.notes = captions.notes(on: index)
            if !lanes.hasLines, shape.isBehindSeveral(index) {
                line.notes.append(captions.whence(of: index))
            }
            table.rows.append(line)
        }
        table.append(to: &buffer, columns: columns)
    }

    private func responder(of node: MultipathGraph.Node, _ facts: PathFacts) -> String {
        guard let responder = node.responder else { return "*" }
        var text = ReportBuffer()
        words.append(responder, facts, to: &text)
        if let answer = node.answer { text.append(words.extensions(of: answer)) }
        return String(decoding: text.bytes, as: UTF8.self)
    }
}

/// A row of the graph before it is known how wide the columns are.
private struct TableRow {
    var picture: String
    /// In place of the picture where the notes go on in a row of their own.
    var continuation = ""
    var hop = ""
    var responder = ""
    var minimum = ""
    var average = ""
    var loss = ""
    var share = ""
    var notes: [String] = []

    /// A row of lines.
    init(_ picture: String) { self.picture = picture }

    init(_ picture: String, _ responder: String, _ node: MultipathGraph.Node) {
        self.picture = picture
        self.responder = responder
        hop = String(node.hop)
        if node.roundTrips.count > 0 {
            minimum = millisecondsText(node.roundTrips.minimum)
            average = millisecondsText(TimeSpan(rounding: node.roundTrips.mean))
        }
    }
}

private struct Table {
    var rows: [TableRow] = []

    /// With a row of names in front. Columns that say nothing are left out.
    func append(to buffer: inout ReportBuffer, columns: Int) {
        let pictureWidth = rows.map { $0.picture.count }.max() ?? 0
        let responderWidth = min(
            Self.maximumResponder, max("responder".count, rows.map { $0.responder.count }.max() ?? 0))
        var numbers: [(name: String, value: KeyPath<TableRow, String> & Sendable)] = []
        if rows.contains(where: { !$0.minimum.isEmpty }) {
            numbers += [("min ms", \.minimum), ("avg ms", \.average)]
        }
        if rows.contains(where: { !$0.loss.isEmpty && $0.loss != "0%" }) { numbers.append(("loss", \.loss)) }
        if rows.contains(where: { !$0.share.isEmpty }) { numbers.append(("share", \.share)) }
        let widths = numbers.map { number in
            max(number.name.count, rows.map { $0[keyPath: number.value].count }.max() ?? 0)
        }

        var head = "hop " + Self.padded("", pictureWidth) + "  " + Self.padded("responder", responderWidth)
        for (number, width) in zip(numbers, widths) { head += "  " + Self.padded(left: number.name, width) }
        buffer.append("\(head)\n")
        var hop = ""
        for row in rows {
            var line = Self.padded(left: row.hop == hop ? "" : row.hop, 3) + " "
            if !row.hop.isEmpty { hop = row.hop }
            line += Self.padded(row.picture, pictureWidth) + "  " + Self.padded(row.responder, responderWidth)
            for (number, width) in zip(numbers, widths) {
                line += "  " + Self.padded(left: row[keyPath: number.value], width)
            }
            let notes = row.notes.joined(separator: "; ")
            if !notes.isEmpty {
                // Columns at the end that say nothing here give their room where it is needed.
                if line.count + 2 + notes.count > columns { line = Self.trimmed(line) }
                if line.count + 2 + notes.count > columns {
                    buffer.append("\(line)\n")
                    line = "    " + Self.padded(row.continuation, pictureWidth) + "    " + notes
                } else {
                    line += "  " + notes
                }
            }
            buffer.append("\(Self.trimmed(line))\n")
        }
    }

    private static func trimmed(_ line: String) -> String { String(line.reversed().drop { $0 == " " }.reversed()) }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func padded(left text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    /// Longer ones push what follows to the right in their own row only.
    private static let maximumResponder = 64
}
