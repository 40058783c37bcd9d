import SimulatedNetwork
import Testing

@testable import ProbeEngine

@Suite struct TargetPermutationTests {
    @Test(
        "Each target has one position",
        arguments: [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 97, 100, 255, 256, 257, 1_000, 4_095, 65_521, 65_537]
            as [UInt64])
    func isABijection(count: UInt64) {
        for seed in [0, 1, 0x9e37_79b9_7f4a_7c15, UInt64.max] {
            let order = TargetPermutation(count: count, seed: seed)
            let targets = (0..<UInt32(count)).map { order[$0] }
            #expect(targets.sorted() == Array(0..<UInt32(count)))
            #expect(targets.map { order.position(of: $0) } == Array(0..<UInt32(count)))
        }
    }

    /// Whatever has an inverse is one to one.
    @Test(arguments: [1_000_003, 16_777_216, 4_294_836_226, 4_294_967_291, 4_294_967_295, 4_294_967_296] as [UInt64])
    func largeOnesHaveAnInverse(count: UInt64) {
        let order = TargetPermutation(count: count, seed: 42)
        var generator = SeededGenerator(seed: count)
        let edges: [UInt64] = [0, 1, count / 2, count - 2, count - 1]
        for position in edges + (0..<20_000).map({ _ in generator.number(below: count) }) {
            let target = order[UInt32(position)]
            guard UInt64(target) < count, order.position(of: target) == position else {
                Issue.record("position \(position), target \(target)")
                return
            }
        }
    }

    /// Shards of several machines must be of the same order, whatever version each of them runs. The numbers come from a
    /// second program, which was written from the description.
    @Test(
        arguments: [
            (10, 1, [8, 9, 4, 3, 0, 6, 2, 5]),
            (1_000, 1, [596, 862, 457, 516, 229, 764, 762, 952]),
            (65_536, 7, [27_021, 1_577, 8_905, 47_864, 42_143, 53_199, 852, 33_636]),
            (
                4_294_967_295, 0xdead_beef,
                [
                    4_239_593_656, 780_472_669, 1_991_289_154, 2_905_219_955, 1_692_890_192, 3_724_931_303,
                    2_591_525_236, 2_680_963_537,
                ]
            ),
        ] as [(UInt64, UInt64, [UInt32])])
    func isTheSameEverywhere(count: UInt64, seed: UInt64, golden: [UInt32]) {
        let order = TargetPermutation(count: count, seed: seed)
        #expect((0..<8).map { order[$0] } == golden)
    }

    @Test func seedsGiveDifferentOrders() {
        let orders = (0..<50 as Range<UInt64>).map { seed in
            let order = TargetPermutation(count: 100, seed: seed)
            return (0..<100).map { order[$0] }
        }
        #expect(Set(orders).count == 50)
    }

    /// Of 256 networks of 256 hosts, consecutive probes go to different ones. Chance puts four of 16 probes into one network
    /// once in 9,000 windows; an order that goes through networks one by one does it in each.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func networksAreVisitedInTurn(seed: UInt64) {
        let order = TargetPermutation(count: 65_536, seed: seed)
        var crowded = 0
        for window in 0..<2_000 as Range<UInt32> {
            var visits: [UInt32: Int] = [:]
            for position in 0..<16 { visits[order[window * 16 + UInt32(position)] >> 8, default: 0] += 1 }
            if visits.values.contains(where: { $0 >= 4 }) { crowded += 1 }
        }
        #expect(crowded < 20)
    }

    /// Where targets come is as likely early as late: the mean position of each block of 1,000 lies near the middle, whose
    /// standard error is 0.9 %.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func blocksAreSpreadEvenly(seed: UInt64) {
        let order = TargetPermutation(count: 100_000, seed: seed)
        for block in 0..<100 as Range<UInt32> {
            let mean = (0..<1_000).reduce(0.0) { $0 + Double(order.position(of: block * 1_000 + $1)) } / 1_000
            #expect(abs(mean / 100_000 - 0.5) < 0.06)
        }
    }

    @Test(
        "Shards have all positions, each once",
        arguments: [0, 1, 2, 5, 16, 17, 1_000, 1_001] as [UInt64], [1, 2, 3, 7, 16, 1_000, 2_000] as [UInt32])
    func shardsAreThePositions(count: UInt64, total: UInt32) throws {
        var positions: [UInt64] = []
        for index in 0..<total {
            let shard = try #require(Shard(index, of: total))
            let size = shard.count(of: count)
            positions += (0..<UInt32(size)).map { shard.position($0) }
            #expect(shard.position(UInt32(size)) >= count)
        }
        #expect(positions.sorted() == Array(0..<count))
    }

    @Test func shardsOfTheLargestSpaceCountRight() throws {
        let count: UInt64 = (1 << 32) - 1
        let sizes = try (0..<7 as Range<UInt32>).map { try #require(Shard($0, of: 7)).count(of: count) }
        #expect(sizes.reduce(0, +) == count)
        #expect(Shard.whole.count(of: count) == count)
        #expect(Shard.whole.position(.max) == count)
        #expect(Shard(UInt32.max - 1, of: .max)?.count(of: count) == 1)
        #expect(
            Shard(UInt32.max - 1, of: .max)?.position(.max) == UInt64(UInt32.max) * UInt64(UInt32.max) + 4_294_967_294)
    }

    @Test func thereIsNoShardBehindTheLast() {
        #expect(Shard(0, of: 0) == nil)
        #expect(Shard(3, of: 3) == nil)
        #expect(Shard(2, of: 3) != nil)
        #expect(Shard(0, of: 1) == .whole)
    }
}
