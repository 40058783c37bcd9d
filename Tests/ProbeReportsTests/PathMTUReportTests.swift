import PacketFormats
import ProbeReports
import TestSupport
import Testing

@testable import ProbeEngine

/// Results of every kind.
let mtuResults: [PathMTUResult] = {
    func drop(_ size: Int, _ after: Int, _ before: Int, _ evidence: PathMTUDrop.Evidence) -> PathMTUDrop {
        PathMTUDrop(size: size, after: after, before: before, evidence: evidence)
    }
    func result(
        _ size: Int?, _ hop: Int?, whole: Bool = true, complete: Bool = true, _ drops: [PathMTUDrop] = [],
        _ claims: [PathMTUClaim] = []
    ) -> PathMTUResult {
        var result = PathMTUResult(firstSize: 1_500)
        (result.size, result.hop, result.isWholePath, result.isComplete) = (size, hop, whole, complete)
        (result.drops, result.falseClaims) = (drops, claims)
        return result
    }
    let router = address("10.77.8.2")
    var atTheEnd = drop(1_300, 9, 10, .silence)
    atTheEnd.mayBeOnTheWayBack = true
    let faults: [PathMTUClaim.Fault] = [.missing, .tooSmall, .tooLarge, .contradicted, .exceeded]
    return [
        result(1_500, 10),
        result(1_400, 10, [drop(1_400, 8, 9, .announced(by: router))]),
        result(1_400, 10, [drop(1_480, 2, 4, .announced(by: router)), drop(1_400, 8, 9, .silence)]),
        result(
            1_006, 10, [drop(1_500, 0, 1, .local), drop(1_006, 8, 9, .searched(by: router))],
            [PathMTUClaim(responder: router, mtu: 0, size: 1_500, fault: .missing)]),
        result(1_400, 7, whole: false, [drop(1_400, 3, 5, .silence)]),
        result(1_300, 10, [atTheEnd]),
        result(
            60, 4, whole: false, complete: false, [],
            faults.map {
                PathMTUClaim(responder: router, mtu: 1_400, size: 1_500, fault: $0)
            }),
        result(nil, nil, whole: false, complete: false),
    ]
}()

@Suite struct PathMTUReportTests {
    private static let texts = [
        "path MTU 1500: this host's link takes no more\n",
        "path MTU 1400: hop 8 (10.77.8.2) says so\n",
        """
        MTU 1480 behind hop 2: 10.77.8.2 says so
        black hole behind hop 8: packets over 1400 vanish without a word (found by search)
        path MTU 1400

        """,
        """
        MTU 1500: this host's link takes no more
        path MTU 1006: hop 8 (10.77.8.2) says that more is too much, but not what fits (found by search)

        """,
        """
        black hole between hop 3 and hop 5: packets over 1400 vanish without a word (found by search)
        path MTU at least 1400 up to hop 7, and nothing behind it answers

        """,
        """
        black hole behind hop 9, or on the way back: packets over 1300 vanish without a word (found by search)
        path MTU 1300

        """,
        """
        path MTU at least 60 up to hop 4: the search was not finished
        MTU 1400 is not believed: 10.77.8.2 says so of a packet of 1500, but names no size
        MTU 1400 is not believed: 10.77.8.2 says so of a packet of 1500, but every link must take more
        MTU 1400 is not believed: 10.77.8.2 says so of a packet of 1500, but that would have fitted
        MTU 1400 is not believed: 10.77.8.2 says so of a packet of 1500, but larger ones pass
        MTU 1400 is not believed: 10.77.8.2 says so of a packet of 1500, but packets of that size do not pass

        """,
        "path MTU unknown: no probe was answered\n",
    ]

    @Test(arguments: texts.indices)
    func saysWhatItIsAndWhoSaysSo(index: Int) {
        var report = PathTextReport(target: target("10.77.99.9", "10.77.99.9"))
        report.showsNames = false
        #expect(written { report.append(mtuResults[index], name: { _ in nil }, to: &$0) } == Self.texts[index])
    }

    @Test func namesRouters() {
        let report = PathTextReport(target: target("10.77.99.9", "10.77.99.9"))
        let text = written { report.append(mtuResults[2], name: { _ in SafeText("r8") }, to: &$0) }
        #expect(text.hasPrefix("MTU 1480 behind hop 2: r8 (10.77.8.2) says so\n"))
    }

    @Test func writesAnObject() throws {
        let report = PathJSONReport(target: target("h", "10.77.99.9"), method: .icmpEcho)
        let text = written {
            report.append(mtuResults[2], PathMTUStatistics(), name: { _ in nil }, time: 0, to: &$0)
        }
        let value = try JSONValue(parsing: text)
        #expect(value["type"].text == "mtu" && value["size"].integer == 1_400 && value["hop"].integer == 10)
        #expect(value["drops"].elements.map { $0["evidence"].text } == ["announced", "silence"])
        #expect(value["drops"].elements.map { $0["before"].integer } == [4, 9])
        #expect(value["drops"].elements[0]["responder"].text == "10.77.8.2")
    }
}
