extension Scenario {
    /// A small internet that has something of everything: the text of `demo`.
    public static let demoText = """
        # A host behind a home router, a provider with two equal ways through its core, and three places beyond.
        source 10.0.0.1 fd00::1

        router home   10.0.0.254 fd00::fe    delay 300us..600us
        router edge   10.0.1.1   fd00:1::1   delay 2ms+500us
        router core-a 10.0.2.1   fd00:2::1   delay 1ms..2ms mpls 16004
        router core-b 10.0.2.2   fd00:2::2   delay 4ms..5ms mpls 16005/24001
        router hub    10.0.3.1   fd00:3::1   delay 1ms interface-info
        router quiet  10.0.4.1   fd00:4::1   delay 2ms silent
        router slow   10.0.5.1   fd00:5::1   delay 3ms limit 2/s burst 6 slow 2ms+3ms
        router wall   10.0.6.1   fd00:6::1   delay 1ms unreachable admin
        router far    10.0.9.1   fd00:9::1   delay 8ms~500us

        path source home edge
        balance edge core-a core-b by ports
        path core-a hub quiet slow far
        path core-b hub wall
        link slow far mtu 1400
        return far hops 7 delay 14ms

        # A server far away: echo, UDP port 7 answers (RFC 862), a web server, and the rest is filtered.
        target 10.0.9.9 fd00:9::9 via far udp 7 echo tcp 80 open tcp 443 open tcp * filtered clock 340ms skew 18ppm
        # A host on a bad line, and with it a clock that ticks 64 times a second and is behind.
        target 10.0.5.5 fd00:5::5 via slow clock -2.5s tick 15625us loss 15% duplicate 2% reorder 3% by 30ms
        # A host that is down, and one behind a firewall.
        target 10.0.3.3 fd00:3::3 via hub unreachable host
        target 10.0.6.6 fd00:6::6 via wall
        # A network to sweep.
        target 10.0.8.0/24 fd00:8::/120 via hub live 40% delay 200us..900us

        """

    /// The scenario of `demoText`.
    public static let demo: Scenario = (try? Scenario(parsing: demoText)) ?? Scenario()
}
