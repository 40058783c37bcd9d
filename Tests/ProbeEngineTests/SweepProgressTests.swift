import SimulatedNetwork
import Testing

@testable import ProbeEngine

@Suite struct SweepProgressTests {
    static let sample = SweepProgress(
        targets: 1_048_576, digest: 0x0123_4567_89ab_cdef, isClosed: true, seed: 7, shard: Shard(1, of: 4) ?? .whole,
        position: 20_000, undecided: [3, 10, 11, 12, 19_999],
        counters: [.init("alive", 12), .init("unreachable", 19_983), .init("elapsed_ns", .max)])

    static let sampleText = """
        swping-progress 1
        targets 1048576 0123456789abcdef closed
        order seed 0000000000000007
        shard 1 of 4
        position 20000
        undecided 3
        undecided 10-12
        undecided 19999
        count alive 12
        count unreachable 19983
        count elapsed_ns 18446744073709551615
        end

        """

    @Test func isWrittenAsPeopleCanReadIt() { #expect(Self.sample.text == Self.sampleText) }

    @Test func isReadBack() throws {
        #expect(try SweepProgress(parsing: Array(Self.sampleText.utf8)) == Self.sample)
        #expect(Self.sample[counter: "alive"] == 12)
        #expect(Self.sample[counter: "late"] == 0)
        var least = Self.sample
        least.isClosed = false
        least.seed = nil
        least.shard = .whole
        least.position = 0
        least.undecided = []
        least.counters = []
        #expect(try SweepProgress(parsing: Array(least.text.utf8)) == least)
    }

    @Test func positionsAtTheEndOfTheRangeAreReadBack() throws {
        var last = Self.sample
        last.targets = TargetSpace.maximumCount
        last.position = TargetSpace.maximumCount
        last.undecided = [4_294_967_292, 4_294_967_293, 4_294_967_294]
        #expect(try SweepProgress(parsing: Array(last.text.utf8)) == last)
    }

    static let damaged: [(String, String, SweepProgressError)] = [
        ("swping-progress 1", "SQLite format 3", .foreign),
        ("swping-progress 1", "swping-progress", .foreign),
        ("swping-progress 1", "swping-progress 2", .version("2")),
        ("1048576 0", "4294967296 0", .malformed(line: 2)),
        ("1048576 0", "01048576 0", .malformed(line: 2)),
        ("cdef", "cde", .malformed(line: 2)),
        ("0123456789abcdef", "+123456789abcdef", .malformed(line: 2)),
        ("closed", "shut", .malformed(line: 2)),
        ("order seed", "order shed", .malformed(line: 3)),
        ("shard 1 of 4", "shard 4 of 4", .malformed(line: 4)),
        ("shard 1 of 4", "shard 0 of 0", .malformed(line: 4)),
        ("shard 1 of 4", "shard 1 of 4 ", .malformed(line: 4)),
        ("position 20000", "position 1048577", .malformed(line: 5)),
        ("position 20000", "position 19999", .malformed(line: 8)),
        ("undecided 3\n", "undecided -3\n", .malformed(line: 6)),
        ("undecided 10-12", "undecided 12-10", .malformed(line: 7)),
        ("undecided 10-12", "undecided 3-12", .malformed(line: 7)),
        ("undecided 10-12", "undecided 10-12-13", .malformed(line: 7)),
        ("undecided 19999", "undecided 19999999999999999999", .malformed(line: 8)),
        ("count alive 12", "count alive -1", .malformed(line: 9)),
        ("count alive 12", "count Alive 12", .malformed(line: 9)),
        ("count unreachable", "count alive", .malformed(line: 10)),
        ("count elapsed_ns", "count elapsed_ns 1", .malformed(line: 11)),
        ("615\n", "616\n", .malformed(line: 11)),
        ("end\n", "end", .truncated),
        ("end\n", "", .truncated),
        ("end\n", "end\nend\n", .malformed(line: 12)),
        ("count alive 12\n", "count alive 12\r\n", .malformed(line: 9)),
    ]

    @Test(arguments: damaged)
    func whatIsDamagedIsRefused(part: String, replacement: String, error: SweepProgressError) throws {
        let range = try #require(Self.sampleText.firstRange(of: part))
        let text = Self.sampleText.replacingCharacters(in: range, with: replacement)
        #expect(throws: error) { try SweepProgress(parsing: Array(text.utf8)) }
    }

    @Test func fewBytesDoNotMakeManyPositions() {
        let text = Self.sampleText.split(separator: "undecided 3\n").joined()
            .replacingOccurrences("targets 1048576", "targets 4294967295")
            .replacingOccurrences("position 20000", "position 4294967295")
            .replacingOccurrences("undecided 10-12", "undecided 0-4294967290")
        #expect(throws: SweepProgressError.malformed(line: 6)) { try SweepProgress(parsing: Array(text.utf8)) }
        #expect(throws: SweepProgressError.foreign) {
            try SweepProgress(parsing: [UInt8](repeating: 0x61, count: 1_000_000))
        }
        #expect(throws: SweepProgressError.foreign) { try SweepProgress(parsing: []) }
    }

    @Test("Damaged bytes never trap, and what is taken is written as it was", arguments: 0..<8 as Range<UInt64>)
    func fuzz(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let good = Array(Self.sampleText.utf8)
        var taken = 0
        for _ in 0..<2_000 {
            var bytes = good
            for _ in 0...generator.number(below: 3) {
                let index = Int(generator.number(below: UInt64(bytes.count)))
                switch generator.number(below: 4) {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: generator.next())
                case 1: bytes[index] = UInt8(ascii: "0") + UInt8(generator.number(below: 10))
                case 2: bytes.remove(at: index)
                default: bytes.insert(bytes[Int(generator.number(below: UInt64(bytes.count)))], at: index)
                }
            }
            guard let progress = try? SweepProgress(parsing: bytes) else { continue }
            taken += 1
            #expect(try SweepProgress(parsing: Array(progress.text.utf8)) == progress)
        }
        #expect(taken > 0)
    }
}

extension String {
    fileprivate func firstRange(of part: String) -> Range<String.Index>? {
        indices.first { self[$0...].hasPrefix(part) }.map { $0..<index($0, offsetBy: part.count) }
    }

    fileprivate func replacingCharacters(in range: Range<String.Index>, with text: String) -> String {
        self[..<range.lowerBound] + text + self[range.upperBound...]
    }

    fileprivate func replacingOccurrences(_ part: String, _ text: String) -> String {
        firstRange(of: part).map { replacingCharacters(in: $0, with: text) } ?? self
    }
}
