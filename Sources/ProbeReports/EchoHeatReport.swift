import PacketFormats
import ProbeEngine

/// How large a terminal is, in characters.
public struct WindowSize: Hashable, Sendable {
    /// Characters in a line.
    public var columns: Int
    /// Lines.
    public var rows: Int

    public init(columns: Int, rows: Int) {
        self.columns = columns
        self.rows = rows
    }
}

/// The events of an `EchoSweep` as a picture for a terminal: one block for each probe, in the order of sending, in rows
/// that scroll away like other lines.
///
/// A row is left only when all of its probes are decided, so that what was lost shows in its place, and a late answer
/// changes the block on the row where the probe stands. Several targets have a row each, which move on together, or with
/// fewer blocks where one target has so many more probes than another that they can't be kept. What is
/// known of a probe after its row was left, and what is no outcome of a probe, becomes a line of text above the rows.
///
/// No colour and no attribute outlives a batch. The cursor moves within the rows that are being drawn and nowhere else; a
/// window of another size begins with new rows below, which show again what was on the old ones.
public struct EchoHeatReport: EchoReport {
    /// Makes the lines of text.
    private var text: EchoTextReport
    private let palette: HeatPalette
    private var window: WindowSize

    /// What is known of each target's probes from its `firstSequences` on.
    private var cells: [HeatCells]
    /// The sequence number of the first probe in each row.
    private var firstSequences: [UInt32]
    /// Probes in a row.
    private var capacity = 1
    /// The widest name and the widest number, in characters.
    private var nameWidth = 0
    private var numberWidth = 0
    private var scale: HeatScale?
    /// Whether the scale has proved itself by more than the first round trip.
    private var isScaleTried = false

    /// Whether the cursor stands at the end of the last row, behind all that `drawn` says.
    private var isOnRows = false
    /// Blocks on the screen in each row.
    private var drawn: [Int]
    /// Blocks on the screen that have changed.
    private var changed: [Set<Int>]
    /// Lines that go above the rows.
    private var notes = ReportBuffer()
    /// The last error and the last failure of each target: they are told in words when they change.
    private var toldErrors: [Int: ToldError] = [:]
    private var toldFailures: [Int: SendFailure] = [:]
    private var timeout = TimeSpan.seconds(2)
    /// The last instant that is known, and when the rows were full while some probe was not decided.
    private var now = Timestamp(nanoseconds: 0)
    private var fullSince: Timestamp?

    /// - Parameters:
    ///   - text: for all that is told in words, and for the summary.
    ///   - hasBlocks: whether the terminal can show Unicode's block elements.
    public init(_ text: EchoTextReport, in window: WindowSize, hasColor: Bool, hasBlocks: Bool) {
        self.text = text
        // Marks are no lines.
        self.text.style.isFlood = false
        self.window = window
        palette = HeatPalette(hasColor: hasColor, hasBlocks: hasBlocks)
        cells = Array(repeating: HeatCells(), count: text.targets.count)
        firstSequences = Array(repeating: 1, count: text.targets.count)
        drawn = Array(repeating: 0, count: text.targets.count)
        changed = Array(repeating: [], count: text.targets.count)
        layOut()
    }

    /// Whom the sweep asks, in its order: a row for each.
    public var targets: ReportTargets {
        get { text.targets }
        set { text.targets = newValue }
    }

    // MARK: Events

    /// ping's first lines, then what the letters of the picture mean.
    public mutating func appendStart(
        _ start: EchoStart, to buffer: inout ReportBuffer, drain: (inout ReportBuffer) -> Void = { _ in }
    ) {
        timeout = start.configuration.timeout
        text.appendStart(start, to: &buffer, drain: drain)
        let meanings: [(HeatCell.Mark, String)] = [
            (.lost, "lost"), (.late, "late"), (.duplicate, "duplicate"), (.error, "error"), (.unsent, "not sent"),
            (.corrupted, "corrupted"), (.wrongSource, "wrong source"), (.waiting, "not decided"),
        ]
        appendLegend(
            meanings.map { Sample(color: palette.color($0.0), glyph: palette.glyph($0.0), meaning: $0.1) },
            heading: "", to: &buffer)
    }

    /// Takes what an event says of a probe; it is drawn when the batch is through.
    public mutating func append(
        _ event: EchoEvent, name: SafeText?, at now: Timestamp, to buffer: inout ReportBuffer
    ) {
        self.now = now
        switch event {
        case .reply(let reply):
            guard change(reply.target, reply.sequence, { $0.take(reply) }) else { return note(event, name, at: now) }
        case .timeout(let target, let sequence):
            change(target, sequence) { $0.takeTimeout() }
        case .sent(let target, let sequence), .outstanding(let target, let sequence):
            change(target, sequence) { _ in }
        case .error(let error):
            let told = ToldError(type: error.type, code: error.code, info: error.info, responder: error.responder)
            if toldErrors.updateValue(told, forKey: error.target) != told { note(event, name, at: now) }
            if error.isConclusive { change(error.target, error.sequence) { $0.takeError() } }
        case .unsent(let target, let sequence, let failure):
            if toldFailures.updateValue(failure, forKey: target) != failure { note(event, name, at: now) }
            change(target, sequence) { $0.takeFailure() }
        case .address:
            note(event, name, at: now)
            // A label may be longer now.
            layOut()
        case .unsolicited, .changed, .outage, .interval: note(event, name, at: now)
        }
    }

    private mutating func note(_ event: EchoEvent, _ name: SafeText?, at now: Timestamp) {
        text.append(event, name: name, at: now, to: &notes)
    }

    /// Changes what is known of a probe; returns false when its row was left.
    @discardableResult
    private mutating func change(_ target: Int, _ sequence: UInt32, _ change: (inout HeatCell) -> Void) -> Bool {
        // Numbers wrap around.
        let index = Int(Int32(truncatingIfNeeded: sequence &- firstSequences[target]))
        guard index >= 0 else { return false }
        // Probes are numbered in the order of sending, so that this one lies right behind those that are known.
        guard index < cells[target].count + Self.longestGap else { return true }
        while cells[target].count <= index { cells[target].append(HeatCell()) }
        let old = cells[target][index]
        change(&cells[target][index])
        if index < drawn[target], cells[target][index] != old { self.changed[target].insert(index) }
        return true
    }

    // MARK: Drawing

    /// Draws what has changed, in a window of this size.
    public mutating func finishBatch(in window: WindowSize?, to buffer: inout ReportBuffer) {
        if let window, window != self.window {
            leaveLine(to: &buffer)
            self.window = window
            layOut()
        }
        chooseScale()
        appendNotes(to: &buffer)
        while true {
            guard isComplete || isOverfull || hasWaitedInVain else {
                if !isTall { draw(to: &buffer) }
                return
            }
            draw(to: &buffer)
            advance(to: &buffer)
        }
    }

    /// Leaves the rows for what others write to the terminal; they are drawn again below it.
    public mutating func leaveLine(to buffer: inout ReportBuffer) {
        if isOnRows { buffer.append("\n") }
        forgetRows()
    }

    /// The rest of the picture, then ping's summary.
    public mutating func appendSummary(
        _ statistics: [EchoStatistics], run: EchoRun, to buffer: inout ReportBuffer,
        drain: (inout ReportBuffer) -> Void = { _ in }
    ) {
        chooseScale()
        appendNotes(to: &buffer)
        while cells.contains(where: { !$0.isEmpty }) {
            draw(to: &buffer)
            advance(to: &buffer)
        }
        text.appendSummary(statistics, run: run, to: &buffer, drain: drain)
    }

    private mutating func forgetRows() {
        isOnRows = false
        for target in cells.indices {
            drawn[target] = 0
            changed[target] = []
        }
    }

    /// Whether all probes of the rows are decided.
    private var isComplete: Bool {
        cells.allSatisfy { $0.count >= capacity && $0.prefix(capacity).allSatisfy(\.isDecided) }
    }

    /// Whether more is kept than memory shall be taken for: a target that answers at once may have thousands of probes for
    /// each of another's.
    private var isOverfull: Bool { cells.reduce(0) { $0 + $1.count } > Self.maximumCells }

    /// Whether the rows have been full for so long that nothing more will come: after a sleep of this machine nobody tells
    /// what became of its probes.
    private var hasWaitedInVain: Bool {
        mutating get {
            guard cells.allSatisfy({ $0.count >= capacity }) else { return false }
            let since = fullSince ?? now
            fullSince = since
            return now - since > timeout + timeout + .seconds(1)
        }
    }

    /// Whether the rows don't fit in the window, so that the cursor can't go back to the first: they are drawn once.
    private var isTall: Bool { cells.count >= max(2, window.rows) }

    /// The lines that wait go where the rows are, and the rows below them.
    private mutating func appendNotes(to buffer: inout ReportBuffer) {
        guard !notes.isEmpty else { return }
        if isOnRows {
            moveUp(cells.count - 1, to: &buffer)
            buffer.append("\r\u{1b}[J")
            forgetRows()
        }
        buffer.append(notes)
        notes.removeAll()
    }

    private mutating func draw(to buffer: inout ReportBuffer) {
        let counts = cells.map { min($0.count, capacity) }
        guard counts.contains(where: { $0 > 0 }) else { return }
        if !isOnRows {
            for target in cells.indices {
                if target > 0 { buffer.append("\n") }
                drawRow(target, counts[target], to: &buffer)
            }
        } else if cells.count == 1, changed[0].isEmpty {
            append(cells[0].prefix(counts[0]).dropFirst(drawn[0]), to: &buffer)
        } else if cells.count == 1, changed[0].count == 1, let index = changed[0].first {
            // The usual one: the answer to the last probe.
            move(drawn[0] - index, "D", to: &buffer)
            append(cells[0].prefix(index + 1).dropFirst(index), to: &buffer)
            move(drawn[0] - index - 1, "C", to: &buffer)
            append(cells[0].prefix(counts[0]).dropFirst(drawn[0]), to: &buffer)
        } else if cells.indices.contains(where: { !changed[$0].isEmpty || counts[$0] != drawn[$0] }) {
            moveUp(cells.count - 1, to: &buffer)
            buffer.append("\r")
            for target in cells.indices {
                if target > 0 { buffer.append("\n") }
                let isLast = target == cells.count - 1
                if isLast || !changed[target].isEmpty || counts[target] != drawn[target] {
                    drawRow(target, counts[target], to: &buffer)
                }
            }
        }
        isOnRows = true
        for target in cells.indices {
            drawn[target] = counts[target]
            changed[target].removeAll(keepingCapacity: true)
        }
    }

    private func drawRow(_ target: Int, _ count: Int, to buffer: inout ReportBuffer) {
        buffer.append(label(of: target))
        append(cells[target].prefix(count), to: &buffer)
    }

    private func append(_ cells: ArraySlice<HeatCell>, to buffer: inout ReportBuffer) {
        var current = ""
        for cell in cells {
            let step = cell.mark == .time ? scale?.step(of: cell.roundTrip) ?? 0 : nil
            let color = step.map(palette.color) ?? palette.color(cell.mark)
            if color != current {
                if !current.isEmpty { buffer.append(palette.reset) }
                buffer.append(color)
                current = color
            }
            buffer.append(step.map(palette.block) ?? palette.glyph(cell.mark))
        }
        if !current.isEmpty { buffer.append(palette.reset) }
    }

    /// Goes on with the next rows.
    private mutating func advance(to buffer: inout ReportBuffer) {
        leaveLine(to: &buffer)
        var times: [TimeSpan] = []
        for target in cells.indices {
            for cell in cells[target].prefix(capacity) where cell.mark == .time { times.append(cell.roundTrip) }
            let count = min(capacity, cells[target].count)
            cells[target].removeFirst(count)
            firstSequences[target] &+= UInt32(truncatingIfNeeded: count)
        }
        fullSince = nil
        layOut()
        isScaleTried = isScaleTried || scale != nil
        adjustScale(to: times, &buffer)
    }

    private func moveUp(_ rows: Int, to buffer: inout ReportBuffer) { move(rows, "A", to: &buffer) }

    /// Moves the cursor (ECMA-48 sections 8.3.18 to 8.3.22).
    private func move(_ count: Int, _ direction: String, to buffer: inout ReportBuffer) {
        if count > 0 { buffer.append("\u{1b}[\(count)\(direction)") }
    }

    // MARK: Layout

    /// How many blocks fit in a row. The last column stays free: what a terminal does behind it differs.
    private mutating func layOut() {
        // A name does not touch the number behind it.
        numberWidth = max(5, String(firstSequences.max() ?? 1).utf8.count + (targets.count > 1 ? 1 : 0))
        nameWidth = targets.count > 1 ? targets.map { Self.plain($0).utf8.count }.max() ?? 0 : 0
        let label = cells.isEmpty ? 0 : self.label(of: 0).utf8.count
        capacity = max(1, window.columns - 1 - label)
    }

    /// What stands in front of a row: the target where there are several, and the number of its first probe. Of the same
    /// length for all; nothing in a window that has no room for it.
    private func label(of target: Int) -> String {
        let number = String(firstSequences[target])
        var label = String(repeating: " ", count: numberWidth - number.utf8.count) + number + " "
        if targets.count > 1 {
            let width = min(nameWidth, max(8, window.columns / 3))
            let name = Self.plain(targets[target])
            let shown = name.utf8.count > width ? String(name.prefix(width - 1)) + "~" : name
            label = shown + String(repeating: " ", count: width - shown.utf8.count) + label
        }
        return window.columns >= label.utf8.count * 2 ? label : ""
    }

    /// A name whose characters are all one column wide.
    private static func plain(_ target: ReportTarget) -> String {
        let name = target.name.description
        return name.utf8.allSatisfy { $0 < 0x80 } ? name : target.address.text([:])
    }

    // MARK: Legends

    /// The first round trip decides about the scale, and a few more about whether it was a good one.
    private mutating func chooseScale() {
        guard !isScaleTried else { return }
        var times: [TimeSpan] = []
        for target in cells {
            for cell in target.prefix(target.count) where cell.mark == .time { times.append(cell.roundTrip) }
        }
        guard let first = times.first else { return }
        var legend = ReportBuffer()
        if scale == nil { setScale(around: first, to: &legend) }
        if times.count >= Self.trials {
            isScaleTried = true
            adjustScale(to: times, &legend)
        }
        notes.append(legend)
    }

    private mutating func adjustScale(to times: [TimeSpan], _ buffer: inout ReportBuffer) {
        guard let scale, !times.isEmpty else { return }
        let median = times.sorted()[times.count / 2]
        if !scale.fits(median) { setScale(around: median, to: &buffer) }
    }

    private mutating func setScale(around roundTrip: TimeSpan, to buffer: inout ReportBuffer) {
        let isFirst = scale == nil
        let scale = HeatScale(around: roundTrip)
        self.scale = scale
        let samples = (0..<HeatScale.steps).map { step in
            Sample(
                color: palette.color(step), glyph: palette.block(step),
                meaning: step < HeatScale.steps - 1 ? "<\(scale.end(of: step))" : "more")
        }
        appendLegend(samples, heading: isFirst ? "ms:" : "scale changed, ms:", to: &buffer)
    }

    private struct Sample {
        var color: String
        /// One column wide.
        var glyph: String
        var meaning: String
    }

    /// A line of glyphs and what they mean, or more of them in a narrow window.
    private func appendLegend(_ samples: [Sample], heading: String, to buffer: inout ReportBuffer) {
        buffer.append(heading)
        var column = heading.utf8.count
        for sample in samples {
            let width = 2 + sample.meaning.utf8.count
            if column > 0 {
                if column + 2 + width >= window.columns {
                    buffer.append("\n")
                    column = 0
                } else {
                    buffer.append("  ")
                    column += 2
                }
            }
            buffer.append(sample.color)
            buffer.append(sample.glyph)
            if !sample.color.isEmpty { buffer.append(palette.reset) }
            buffer.append(" ")
            buffer.append(sample.meaning)
            column += width
        }
        buffer.append("\n")
    }

    private struct ToldError: Hashable {
        var type: ICMPType
        var code: UInt8
        var info: UInt32
        var responder: IPAddress
    }

    /// Round trips that a first scale is tried with.
    private static let trials = 8
    /// More probes than this are never on their way at once.
    private static let longestGap = 1 << 20
    /// Probes of all targets that are kept, 16 octets each.
    private static let maximumCells = 1 << 20
}

/// What is known of the probes of a row and of those behind it.
///
/// Thousands of rows may wait for one probe and go at once: taking one away is O(1) amortised.
private struct HeatCells {
    private var cells: [HeatCell] = []
    private var head = 0

    var count: Int { cells.count - head }
    var isEmpty: Bool { head == cells.count }

    subscript(index: Int) -> HeatCell {
        get { cells[head + index] }
        set { cells[head + index] = newValue }
    }

    func prefix(_ length: Int) -> ArraySlice<HeatCell> { cells[head..<head + min(length, count)] }

    mutating func append(_ cell: HeatCell) { cells.append(cell) }

    mutating func removeFirst(_ length: Int) {
        head += length
        guard head * 2 >= cells.count else { return }
        cells.removeSubrange(..<head)
        head = 0
    }
}

extension HeatCell {
    fileprivate mutating func take(_ reply: EchoReply) {
        switch reply.disposition {
        case .inTime:
            // That something else came as well stays visible.
            if mark != .corrupted, mark != .wrongSource { mark = .time }
            roundTrip = reply.roundTrip
            isDecided = true
        case .late:
            mark = .late
            isDecided = true
        case .duplicate: mark = .duplicate
        case .corrupted: mark = .corrupted
        case .wrongSource: mark = .wrongSource
        }
    }

    /// Nothing came, or nothing that counts.
    fileprivate mutating func takeTimeout() {
        guard !isDecided else { return }
        if mark != .corrupted { mark = .lost }
        isDecided = true
    }

    fileprivate mutating func takeError() {
        guard mark != .time, mark != .late, mark != .duplicate else { return }
        mark = .error
        isDecided = true
    }

    fileprivate mutating func takeFailure() {
        mark = .unsent
        isDecided = true
    }
}
