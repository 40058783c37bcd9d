import PacketFormats

/// What is known of one hop limit while a multipath trace runs.
struct MultipathHop: Sendable {
    /// A flow at this hop limit.
    struct Slot: Sendable, BitwiseCopyable {
        enum State: UInt8, Sendable, BitwiseCopyable {
            case unasked
            /// In the line, or on its way.
            case asked
            case answered
            /// Nobody answered; it is not known whether anybody would.
            case doubtful
            /// Nobody answers.
            case silent
            /// The kernel refused it.
            case unsent
        }

        var state = State.unasked
        /// How often it was silent while others at this hop were heard.
        var strikes: UInt8 = 0
        /// Index of the first who answered; -1 for nobody.
        var vertex: Int32 = -1
        var answers: UInt16 = 0
        /// Of a flow that was answered: asked once more, and what of this is not over.
        var repeats: UInt16 = 0
        var repeatsUnderWay: UInt16 = 0

        var isConcluded: Bool {
            switch state {
            case .answered, .silent, .unsent: true
            case .unasked, .asked, .doubtful: false
            }
        }
    }

    /// Asks made to tell silence from a router that leaves errors out.
    struct Trial: Sendable {
        var doubtful: [Int]
        var controls: [Int]
        /// Of the controls.
        var heard = 0
    }

    /// A hop that is asked no faster than it answers.
    struct Slowness: Sendable {
        var next: Timestamp
        var allowance = 1
        /// What was let go last: whether all of it was doubtful, and how much was answered since.
        var released: [Int] = []
        var wereDoubtful = false
        var heard = 0
    }

    /// By the number of the flow.
    private(set) var slots: [Slot] = []
    /// Who answered, in the order of appearance.
    private(set) var responders: [IPAddress] = []
    /// Of each, whether it said that the path ends.
    private(set) var ends: [Bool] = []
    /// Answers that differ from the first of their flow.
    private(set) var variations: [(flow: Int, vertex: Int)] = []
    /// How many flows are asked, doubtful and silent.
    private(set) var askedCount = 0
    private(set) var doubtfulCount = 0
    private(set) var silentCount = 0
    /// Asks in the line or on their way.
    var underWay = 0
    var trial: Trial?
    /// In a row that some of those were silent who had answered.
    var failedTrials = 0
    var slowness: Slowness?
    /// Asks that wait because this hop is slow, and whether it was asked once more because it was silent while others are
    /// slow.
    var waiting: [Int] = []
    var wasAskedAgain = false

    /// O(1) where the flow has a slot.
    subscript(flow: Int) -> Slot {
        get { flow < slots.count ? slots[flow] : Slot() }
        set {
            while slots.count <= flow { slots.append(Slot()) }
            count(slots[flow].state, -1)
            count(newValue.state, 1)
            slots[flow] = newValue
        }
    }

    private mutating func count(_ state: Slot.State, _ change: Int) {
        switch state {
        case .asked: askedCount += change
        case .doubtful: doubtfulCount += change
        case .silent: silentCount += change
        case .unasked, .answered, .unsent: break
        }
    }

    /// Files an answer and returns the index of who gave it.
    mutating func take(_ responder: IPAddress, isEnd: Bool, flow: Int) -> Int {
        let vertex = index(of: responder, isEnd: isEnd)
        var slot = self[flow]
        if slot.vertex < 0 {
            slot.vertex = Int32(vertex)
            slot.state = .answered
        } else if slot.vertex != vertex, variations.count < Self.maximumVariations {
            variations.append((flow, vertex))
        }
        if slot.answers < .max { slot.answers += 1 }
        self[flow] = slot
        return vertex
    }

    private mutating func index(of responder: IPAddress, isEnd: Bool) -> Int {
        for index in responders.indices where responders[index] == responder && ends[index] == isEnd { return index }
        guard responders.count < Self.maximumResponders else { return responders.count - 1 }
        responders.append(responder)
        ends.append(isEnd)
        return responders.count - 1
    }

    /// No hop has so many in honest networks; a liar can't make the tables grow beyond.
    static let maximumResponders = 256
    private static let maximumVariations = 4_096
}
