import ProbeIO

extension Tool {
    static func diagnose(_ options: Options, _ output: inout OutputWriter) throws(ToolFailure) -> Int32 { 2 }
}
