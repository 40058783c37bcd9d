/// The names of those targets that were given by name: 10 octets and the name's own for each, and none for the others.
public struct TargetNames: Sendable {
    /// The first target of each name, ascending; how many follow it is in `counts`.
    private var firsts: [UInt32] = []
    private var counts: [UInt16] = []
    /// Where in `text` each name ends.
    private var ends: [UInt32] = []
    private var text: [UInt8] = []

    /// No names.
    public init() {}

    /// Gives a name to targets behind all that have one; false when there is no room for it (4 GiB of names), or when they
    /// are not behind those, or more than 65,535. O(1) in the mean.
    @discardableResult
    public mutating func append(_ name: String, for targets: Range<UInt32>) -> Bool {
        let end = text.count + name.utf8.count
        guard !targets.isEmpty, let count = UInt16(exactly: targets.count), let end = UInt32(exactly: end),
            firsts.last.map({ targets.lowerBound >= $0 && targets.lowerBound - $0 >= counts[counts.count - 1] }) ?? true
        else { return false }
        firsts.append(targets.lowerBound)
        counts.append(count)
        ends.append(end)
        text.append(contentsOf: name.utf8)
        return true
    }

    /// The name of a target, nil where it was given as an address. It is text as somebody wrote it. O(log names).
    public subscript(target: UInt32) -> String? {
        var (low, high) = (0, firsts.count)
        while low < high {
            let middle = (low + high) / 2
            if firsts[middle] <= target { low = middle + 1 } else { high = middle }
        }
        guard low > 0, target - firsts[low - 1] < counts[low - 1] else { return nil }
        let start = low > 1 ? Int(ends[low - 2]) : 0
        return String(decoding: text[start..<Int(ends[low - 1])], as: UTF8.self)
    }
}
