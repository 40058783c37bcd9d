import ProbeEngine

/// The steps of round trips in a picture: each is twice as long as the one below.
struct HeatScale: Hashable {
    /// Round trips below twice this are of the lowest step, nanoseconds: 1, 2 or 5 and zeros.
    let base: Int64

    /// A scale with room below and above a round trip.
    init(around roundTrip: TimeSpan) {
        let wanted = max(1, roundTrip.nanoseconds / 4)
        var base: Int64 = 1
        while base <= Int64.max / 20, base * 10 <= wanted { base *= 10 }
        self.base = base * (wanted / base >= 5 ? 5 : wanted / base >= 2 ? 2 : 1)
    }

    /// 0 to `steps` - 1; the highest has no upper end.
    func step(of roundTrip: TimeSpan) -> Int {
        var step = 0
        var rest = roundTrip.nanoseconds / base
        while rest >= 2, step < Self.steps - 1 {
            rest /= 2
            step += 1
        }
        return step
    }

    /// Whether most of what is measured would stand out of the middle of it.
    func fits(_ roundTrip: TimeSpan) -> Bool { (1...Self.steps - 3).contains(step(of: roundTrip)) }

    /// Milliseconds under which a step lies, as short as they can be: `0.04`, `12.8`.
    func end(of step: Int) -> String {
        let (end, overflow) = base.multipliedReportingOverflow(by: 2 << Int64(step))
        let nanoseconds = overflow ? Int64.max : end
        let whole = String(nanoseconds / 1_000_000)
        var fraction = String(1_000_000 + nanoseconds % 1_000_000).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return fraction.isEmpty ? whole : "\(whole).\(fraction)"
    }

    static let steps = 8
}

/// How the blocks of a picture look.
struct HeatPalette: Hashable {
    let hasColor: Bool
    let hasBlocks: Bool

    func block(_ step: Int) -> String { (hasBlocks ? Self.blocks : Self.characters)[step] }

    /// The sequence that begins the colour of a step.
    func color(_ step: Int) -> String { hasColor ? "\u{1b}[38;5;\(Self.colors[step])m" : "" }

    func glyph(_ mark: HeatCell.Mark) -> String {
        switch mark {
        case .waiting: hasBlocks ? "\u{b7}" : "?"
        case .time: " "
        case .lost: "!"
        case .late: "L"
        case .duplicate: "D"
        case .error: "E"
        case .unsent: "U"
        case .corrupted: "C"
        case .wrongSource: "W"
        }
    }

    /// The sequence that begins the colour of a mark.
    func color(_ mark: HeatCell.Mark) -> String {
        guard hasColor else { return "" }
        switch mark {
        case .waiting, .time: return ""
        case .lost: return "\u{1b}[1;97;41m"
        case .late: return "\u{1b}[30;43m"
        case .error, .corrupted: return "\u{1b}[1;97;45m"
        case .unsent: return "\u{1b}[7m"
        case .duplicate, .wrongSource: return "\u{1b}[30;46m"
        }
    }

    var reset: String { hasColor ? "\u{1b}[0m" : "" }

    /// Lower and upper eighths of a cell, which tell the steps apart without colours too.
    private static let blocks = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    private static let characters = [".", ":", "-", "=", "+", "*", "#", "@"]
    /// Of the 256 of xterm: from green by yellow to orange; red is for losses.
    private static let colors = [28, 34, 76, 148, 220, 214, 208, 202]
}

/// What is known of one probe.
struct HeatCell: Hashable {
    enum Mark: Hashable {
        case waiting
        case time
        case lost
        case late
        case duplicate
        case error
        case unsent
        case corrupted
        case wrongSource
    }

    var mark = Mark.waiting
    /// Whether the probe has been answered or given up.
    var isDecided = false
    /// Of an answer in time.
    var roundTrip = TimeSpan.zero
}
