import LinuxSockets
import ProbeIO
import ProbeReports

extension Tool {
    /// Tells what works here and why not more. 0 when any rung is allowed, proven on loopback or not, else 2.
    static func diagnose(_ options: Options, _ output: inout OutputWriter) throws(ToolFailure) -> Int32 {
        let (findings, works) = try Diagnosis.run(program: name, udpPort: Options.fallbackPort)
        let rows = findings.map { finding in
            DiagnosisRow(
                topic: finding.topic.rawValue, name: finding.name, version: finding.version,
                verdict: finding.verdict.rawValue, text: SafeText(finding.text), errorName: finding.errorName,
                remedy: finding.remedy, value: finding.value,
                trial: finding.trial.map { trial in
                    DiagnosisRow.Trial(
                        roundTrip: trial.roundTrip, hasSendStamp: trial.hasSendStamp,
                        hasArrivalStamp: trial.hasArrivalStamp, stampKeys: trial.stampKeys)
                })
        }
        var buffer = ReportBuffer()
        if options.isJSON {
            DiagnosisReport.appendJSON(rows, time: SystemClock.realtime.now, to: &buffer)
        } else {
            DiagnosisReport.appendText(rows, to: &buffer)
        }
        output.write(buffer.bytes)
        return works ? 0 : 2
    }
}
