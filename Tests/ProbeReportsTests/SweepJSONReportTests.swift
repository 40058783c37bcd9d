import PacketFormats
import ProbeReports
import TestSupport
import Testing

@testable import ProbeEngine

@Suite struct SweepJSONReportTests {
    private let now = Timestamp(nanoseconds: 9)

    private func report(_ method: ProbeMethod = .icmpEcho) -> SweepJSONReport {
        var report = SweepJSONReport(method: method)
        report.clock = WallClock(offset: 1_000_000_000)
        return report
    }

    private func line(_ event: HostSweepEvent, target: SafeText? = nil, name: SafeText? = nil) -> String {
        var report = report()
        return written { report.append(event, target: target, name: name, at: now, to: &$0) }
    }

    private func head(_ type: String, _ address: String) -> String {
        let family = address.contains(":") ? "ipv6" : "ipv4"
        return "{\"v\":1,\"type\":\"\(type)\",\"time\":\"1970-01-01T00:00:01.000000007Z\",\"target\":\"\(address)\","
            + "\"address\":\"\(address)\",\"family\":\"\(family)\",\"transport\":\"icmp\","
    }

    private let answer =
        "\"attempt\":1,\"kind\":\"echo\",\"responder\":\"192.0.2.1\",\"bytes\":64,\"hop_limit\":63,\"traffic_class\":0,"
        + "\"rtt_ns\":312000,\"clock\":\"user_kernel\""
    private let error =
        "\"responder\":\"192.0.2.254\",\"icmp_type\":3,\"icmp_code\":1,\"text\":\"Destination Host Unreachable\","
        + "\"hop_limit\":64,\"rtt_ns\":51000,\"clock\":\"user_kernel\""

    @Test func writesEachKindOfLine() {
        let (alive, dead) = ("192.0.2.1", "192.0.2.7")
        #expect(line(.alive(hostAnswer())) == head("alive", alive) + answer + ",\"late\":false}\n")
        #expect(line(.alive(hostAnswer(as: .late))) == head("alive", alive) + answer + ",\"late\":true}\n")
        #expect(
            line(.alive(hostAnswer("2001:db8::1", attempt: 2, hopLimit: nil))) == head("alive", "2001:db8::1")
                + "\"attempt\":3,\"kind\":\"echo\",\"responder\":\"2001:db8::1\",\"bytes\":64,\"hop_limit\":null,"
                + "\"traffic_class\":null,\"rtt_ns\":312000,\"clock\":\"user_kernel\",\"late\":false}\n")
        #expect(line(.late(hostAnswer(as: .late))) == head("late", alive) + answer + "}\n")
        #expect(line(.duplicate(hostAnswer(as: .duplicate))) == head("duplicate", alive) + answer + "}\n")
        #expect(
            line(.wrongSource(hostAnswer(from: "192.0.2.2", as: .wrongSource))) == head("wrong_source", alive)
                + answer.replacing("\"192.0.2.1\"", with: "\"192.0.2.2\"") + "}\n")
        #expect(
            line(.corrupted(hostAnswer(as: .corrupted(.wrongLength(sent: 56, received: 48)))))
                == head("corrupted", alive) + answer + ",\"fault\":\"length\",\"sent\":56,\"received\":48}\n")
        #expect(
            line(.unreachable(hostSilence())) == head("unreachable", dead)
                + "\"attempt\":2,\"reason\":\"no_answer\"}\n")
        #expect(
            line(.unreachable(hostSilence(error: hostError()))) == head("unreachable", dead)
                + "\"attempt\":2,\"reason\":\"error\"," + error + "}\n")
        #expect(
            line(.unreachable(hostSilence(failure: networkUnreachable))) == head("unreachable", dead)
                + "\"attempt\":2,\"reason\":\"unsent\",\"errno\":\"ENETUNREACH\",\"code\":101}\n")
        #expect(
            line(.unasked(hostRefusal())) == head("unasked", dead) + "\"errno\":\"ENETUNREACH\",\"code\":101}\n")
        #expect(
            line(.error(hostError())) == head("error", dead) + "\"attempt\":1," + error + ",\"conclusive\":true}\n")
    }

    @Test func namesTheTargetAndItsAddress() throws {
        let value = try JSONValue(
            parsing: line(
                .alive(hostAnswer()), target: SafeText(name: "example.net"), name: SafeText(name: "r.example")))
        #expect(value["target"].text == "example.net" && value["address"].text == "192.0.2.1")
        #expect(value["name"].text == "r.example")
        var report = report()
        report.zones = [3: SafeText(name: "e\"th")]
        let zoned = try JSONValue(
            parsing: written { report.append(.alive(hostAnswer("fe80::1%3")), name: nil, at: now, to: &$0) })
        #expect(zoned["target"].text == "fe80::1%e\"th" && zoned["responder"].text == "fe80::1%e\"th")
    }

    @Test func escapesWhatComesFromOutside() throws {
        for event in everyHostEvent {
            let text = line(event, target: hostileName, name: hostileName)
            #expect(lines(text).count == 1)
            #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || (" "..."~").contains($0) })
            #expect(try JSONValue(parsing: text)["target"].text == hostileName.description)
            #expect(try JSONValue(parsing: text)["name"].text == hostileName.description)
        }
    }

    private func start(_ change: (inout HostSweep.Configuration) -> Void = { _ in }) throws -> HostSweep.Configuration {
        var space = TargetSpace()
        try space.append(try #require(IPPrefix("192.0.2.0/24")))
        var configuration = HostSweep.Configuration(space)
        change(&configuration)
        return configuration
    }

    @Test func startsWithWhatIsAsked() throws {
        var report = report()
        let configuration = try start {
            $0.shard = Shard(1, of: 3) ?? .whole
            $0.isOpen = true
            $0.rate = 2_500.5
            $0.backoff = .nan
        }
        let start = SweepStart(
            configuration, rung: "ping", note: "setcap would help", workers: 2, seed: .max, time: 5)
        let value = try JSONValue(parsing: written { report.appendStart(start, to: &$0) })
        #expect(value["targets"].integer == 85 && value["complete"] == .boolean(false))
        #expect(value["seed"].text == "18446744073709551615")
        #expect(value["shard"].integer == 1 && value["shards"].integer == 3 && value["workers"].integer == 2)
        #expect(value["rate"].double == 2_500.5 && value["backoff"].integer == 1)
        #expect(value["target"] == .null && value["address"] == .null && value["family"] == .null)
        #expect(value["note"].text == "setcap would help")
    }

    @Test func sumsUp() throws {
        var report = report()
        let run = sweepRun {
            $0.counters.late = 1
            $0.counters.duplicates = 2
            $0.inFlight = 1
            $0.missedNames = 3
            $0.failures = ["alive 6 < 10"]
            $0.lastSendFailure = networkUnreachable
        }
        let value = try JSONValue(parsing: written { report.appendSummary(run, to: &$0) })
        #expect(value["type"].text == "total" && value["target"] == .null)
        for (name, count) in [
            ("targets", 10), ("alive", 6), ("unreachable", 4), ("unasked", 0), ("undecided", 0), ("missed_names", 3),
            ("transmitted", 14), ("received", 6), ("late", 1), ("lost", 6), ("in_flight", 1), ("duplicates", 2),
            ("retried", 4), ("elapsed_ns", 2_000_000_000), ("sending_ns", 14_000_000),
        ] {
            #expect(value[name].integer == Int64(count), "\(name)")
        }
        #expect(value["loss_percent"].double == 46.1538)
        #expect(value["rtt"]["avg_ns"].integer == 350_000 && value["rtt"]["p50_ns"].integer == 300_000)
        #expect(value["failed"].elements.map(\.text) == ["alive 6 < 10"])
        #expect(value["last_errno"].text == "ENETUNREACH")
        #expect(report.totalLines(run).isEmpty)
    }

    @Test func keepsToItsSchema() throws {
        let schema = try JSONSchema("swping-sweep")
        var text = ""
        for method in [ProbeMethod.icmpEcho, .icmpTimestamp, .udp(destinationPort: 7)] {
            var report = report(method)
            for rate in [nil, 0.5, 1_000, .infinity] as [Double?] {
                let configuration = try start {
                    $0.rate = rate
                    $0.backoff = rate ?? 1.5
                }
                for (rung, seed) in [("raw", nil), ("ping", 7), ("udp", UInt64.max)] as [(String, UInt64?)] {
                    let start = SweepStart(
                        configuration, rung: rung, note: seed.map { _ in "a note" }, seed: seed, time: .min)
                    text += written { report.appendStart(start, to: &$0) }
                }
            }
            for event in everyHostEvent {
                text += written {
                    report.append(event, name: nil, at: now, to: &$0)
                    report.append(event, target: hostileName, name: hostileName, at: now, to: &$0)
                }
            }
            for run in [
                sweepRun(), sweepRun([]), sweepRun([1], withPercentiles: false),
                sweepRun(Array(0..<1_000)) { $0.counters.targets = 2_000 }, sweepRun { $0.counters.transmitted = .max },
                sweepRun {
                    $0.failures = ["a", "b"]
                    $0.lastSendFailure = .retryLater
                },
            ] {
                text += written { report.appendSummary(run, to: &$0) }
            }
        }
        #expect(try problems(text, by: schema) == [])
        let types = Set(try lines(text).compactMap { try JSONValue(parsing: $0)["type"].text })
        #expect(types == schema.types)
    }
}
