import PacketFormats

/// How often each of many clients was served lately: a token bucket per client, in a table that never grows beyond its
/// capacity.
///
/// A client is an IPv4 address or an IPv6 /64, because whoever has one address of a /64 has them all (RFC 6177);
/// link-local addresses share one /64 and are clients each. The
/// bucket is kept as the time at which it will be full again, which is all of its state. Each verb is O(1).
struct ClientRates: Sendable {
    private struct Key: Hashable {
        var high: UInt64
        var low: UInt64
    }

    private struct Entry {
        var key: Key
        /// When the bucket is full again.
        var fullAt: Int64
        /// The neighbours in the order of use, `none` at the ends.
        var newer: Int32
        var older: Int32
    }

    private let interval: Int64
    private let tolerance: Int64
    private let capacity: Int
    private var places: [Key: Int32] = [:]
    private var entries: [Entry] = []
    private var newest = none
    private var oldest = none

    /// - Parameters:
    ///   - rate: per second, all of which may come at once; 0 or less is no limit.
    ///   - capacity: clients that are remembered, at least 1.
    init(rate: Int, capacity: Int) {
        interval = rate > 0 ? max(1, Self.second / Int64(rate)) : 0
        tolerance = Self.second - interval
        self.capacity = min(max(1, capacity), Int(Int32.max))
    }

    /// Clients that are remembered now.
    var count: Int { entries.count }

    /// Takes a token of the client; false when its bucket is empty. `now` are nanoseconds.
    mutating func allows(_ address: IPAddress, at now: Int64) -> Bool {
        guard interval > 0 else { return true }
        let place = use(Self.key(of: address), at: now)
        let fullAt = max(entries[place].fullAt, now)
        guard fullAt - now <= tolerance else { return false }
        entries[place].fullAt = fullAt + interval
        return true
    }

    /// The place of a client, which becomes the newest; a new one takes the place of the oldest when all are taken.
    private mutating func use(_ key: Key, at now: Int64) -> Int {
        if let place = places[key] {
            unlink(place)
            linkAsNewest(place)
            return Int(place)
        }
        let entry = Entry(key: key, fullAt: now, newer: Self.none, older: Self.none)
        let place: Int32
        if entries.count < capacity {
            place = Int32(entries.count)
            entries.append(entry)
        } else {
            place = oldest
            places[entries[Int(place)].key] = nil
            unlink(place)
            entries[Int(place)] = entry
        }
        places[key] = place
        linkAsNewest(place)
        return Int(place)
    }

    private mutating func unlink(_ place: Int32) {
        let entry = entries[Int(place)]
        if entry.newer == Self.none { newest = entry.older } else { entries[Int(entry.newer)].older = entry.older }
        if entry.older == Self.none { oldest = entry.newer } else { entries[Int(entry.older)].newer = entry.newer }
    }

    private mutating func linkAsNewest(_ place: Int32) {
        entries[Int(place)].newer = Self.none
        entries[Int(place)].older = newest
        if newest == Self.none { oldest = place } else { entries[Int(newest)].newer = place }
        newest = place
    }

    private static func key(of address: IPAddress) -> Key {
        switch address {
        // A low half that no prefix has.
        case .v4(let address): Key(high: UInt64(address.rawValue), low: .max)
        case .v6(let address): Key(high: address.high, low: address.isLinkLocal ? address.low : 0)
        }
    }

    private static let none: Int32 = -1
    private static let second: Int64 = 1_000_000_000
}
