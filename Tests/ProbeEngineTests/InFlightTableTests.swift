import ProbeEngine
import Testing

@Suite struct InFlightTableTests {
    private func record(_ number: Int, _ state: InFlightRecord.State = .outstanding) -> InFlightRecord {
        var record = InFlightRecord(
            subject: UInt32(truncatingIfNeeded: number), sequence: UInt32(truncatingIfNeeded: number * 7),
            sentAt: .ms(Int64(number)))
        record.state = state
        return record
    }

    @Test func startsEmpty() {
        let table = InFlightTable(maximumCapacity: 4)
        #expect(table.count == 0 && table.latest.rawValue == 0 && table.oldest > table.latest && !table.isFull)
        for number in [0, 1, UInt64.max] { #expect(table[ProbeID(rawValue: number)] == nil) }
    }

    @Test("Whatever the capacity, the latest records are found and older ones are not", arguments: [1, 2, 4, 64, 256])
    func keepsTheLatest(capacity: Int) throws {
        var table = InFlightTable(maximumCapacity: capacity)
        for number in 1...1_000 {
            #expect(table.insert(record(number, .answered)).rawValue == UInt64(number))
            #expect(table.latest.rawValue == UInt64(number))
            #expect(table.count == min(number, capacity))
        }
        for number in 1...1_001 {
            let found = table[ProbeID(rawValue: UInt64(number))]
            guard number > 1_000 - capacity, number <= 1_000 else {
                #expect(found == nil)
                continue
            }
            #expect(try #require(found).subject == UInt32(number))
        }
    }

    @Test("Records survive growth wherever the ring's head is", arguments: [0, 1, 63, 64, 65, 100])
    func grows(forgotten: Int) throws {
        var table = InFlightTable(maximumCapacity: 1 << 10)
        for number in 1...100 { _ = table.insert(record(number, .answered)) }
        table.forget(sentBefore: .ms(Int64(forgotten) + 1))
        #expect(table.count == 100 - forgotten && table.oldest.rawValue == UInt64(forgotten + 1))
        for number in 101...(1_024 + forgotten) { _ = table.insert(record(number, .answered)) }
        #expect(table.count == 1_024)
        for number in (forgotten + 1)...(1_024 + forgotten) {
            #expect(try #require(table[ProbeID(rawValue: UInt64(number))]).sequence == UInt32(number * 7))
        }
    }

    @Test("More than 65,536 outstanding probes are all found")
    func manyOutstanding() {
        var table = InFlightTable(maximumCapacity: 1 << 18)
        let count = 200_000
        for number in 1...count { _ = table.insert(record(number)) }
        #expect(table.count == count && !table.isFull)
        var wrong = 0
        for number in 1...count where table[ProbeID(rawValue: UInt64(number))]?.subject != UInt32(number) { wrong += 1 }
        #expect(wrong == 0)
    }

    @Test(
        "Full is what would push out a probe that is still waited for",
        arguments: [
            (InFlightRecord.State.pending, true), (.outstanding, true), (.expired, false), (.answered, false),
            (.failed, false), (.unsent, false),
        ])
    func full(state: InFlightRecord.State, isFull: Bool) {
        var table = InFlightTable(maximumCapacity: 4)
        for number in 1...3 {
            _ = table.insert(record(number, number == 1 ? state : .outstanding))
            #expect(!table.isFull)
        }
        _ = table.insert(record(4))
        #expect(table.isFull == isFull)
    }

    @Test("Forgetting stops at the first probe that is still waited for", arguments: [1, 3, 5])
    func forgets(outstanding: Int) {
        var table = InFlightTable(maximumCapacity: 8)
        for number in 1...5 { _ = table.insert(record(number, number == outstanding ? .outstanding : .expired)) }
        table.forget(sentBefore: .ms(100))
        #expect(table.oldest.rawValue == UInt64(outstanding))
        table.forget(sentBefore: .ms(0))
        #expect(table.oldest.rawValue == UInt64(outstanding))
    }

    @Test func setterChangesOnlyWhatIsThere() throws {
        var table = InFlightTable(maximumCapacity: 2)
        let id = table.insert(record(1))
        table[id]?.state = .failed
        #expect(try #require(table[id]).state == .failed)
        table[id] = nil
        #expect(table[id] != nil)
        table[ProbeID(rawValue: 2)] = record(2)
        #expect(table[ProbeID(rawValue: 2)] == nil && table.count == 1)
    }
}
