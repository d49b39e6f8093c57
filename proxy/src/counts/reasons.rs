//! Why something did not end well: closed lists, each reason with the label that metrics and the status give it.

/// An enum of reasons whose labels stand beside them.
macro_rules! reasons {
    ($(#[$about:meta])* $name:ident { $($(#[$why:meta])* $reason:ident = $label:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum $name {
            $($(#[$why])* $reason,)+
        }

        impl $name {
            /// All of them, each at the place of its number, with its label.
            pub(crate) const ALL: [(Self, &'static str); [$($label),+].len()] =
                [$((Self::$reason, $label)),+];
        }
    };
}

reasons! {
    /// Why a connection or request of a client did not end well.
    Failure {
        /// Every member of the pool is out.
        NoMember = "no_member",
        /// Every member that was tried refused the connection or did not answer in time.
        Unreachable = "unreachable",
        /// This process or machine is short of files, ports or memory for a connection to a member.
        Shortage = "shortage",
        /// The client is in none of the networks whose connections are taken.
        NotAllowed = "not_allowed",
        /// The client's source has as many connections as it may.
        SourceConnections = "source_connections",
        /// The client's source came too often within a second.
        SourceRate = "source_rate",
        /// The client's source is new, and no more are kept account of.
        SourceTable = "source_table",
        /// A sender that must tell the client by a PROXY header did not send a right one.
        BadProxyHeader = "bad_proxy_header",
        /// The PROXY header did not arrive in time.
        SlowProxyHeader = "slow_proxy_header",
        /// A TLS handshake or a `ClientHello` was not finished in time.
        SlowHandshake = "slow_handshake",
        /// What came in place of a handshake was not TLS, or broke its rules.
        TlsMalformed = "tls_malformed",
        /// The client has no TLS version, cipher, group or protocol name in common with this server.
        TlsIncompatible = "tls_incompatible",
        /// The client showed no certificate where it must, or one that is not valid.
        TlsClientCertificate = "tls_client_certificate",
        /// The client said no to the handshake; most often it does not trust the certificate.
        TlsAlert = "tls_alert",
        /// A handshake failed by a fault on this side.
        TlsInternal = "tls_internal",
        /// All members were full, and as many clients waited as may.
        QueueFull = "queue_full",
        /// All members were full for too long.
        QueueTimeout = "queue_timeout",
        /// The client's request is not one that can be passed on without doubt.
        BadRequest = "bad_request",
        /// The client asked for something this proxy does not do.
        Unsupported = "unsupported",
        /// A `WebSocket` was asked for of a member that speaks HTTP/2 and does not allow it.
        NoWebSocket = "no_websocket",
        /// A rule has clients log in, and the name or the password was wrong.
        BadCredentials = "bad_credentials",
        /// More passwords were to be checked than may wait.
        LoginsFull = "logins_full",
        /// More requests came than a rule lets pass.
        RateLimited = "rate_limited",
        /// The request head did not arrive in time.
        SlowHead = "slow_head",
        /// A request came beside others on one connection while the worker had as many of either as it may.
        NoRoom = "no_room",
        /// The client sent too much of what costs it little.
        Flood = "flood",
        /// The client was silent while bytes were expected of it, or took none.
        ClientTimeout = "client_timeout",
        /// The client's connection broke.
        ClientGone = "client_gone",
        /// The member was silent while bytes were expected of it.
        MemberTimeout = "member_timeout",
        /// Both were silent for the timeout of sessions in which both have spoken.
        TunnelTimeout = "tunnel_timeout",
        /// The member's connection broke before its answer was whole.
        MemberGone = "member_gone",
        /// The member's answer is not HTTP.
        BadResponse = "bad_response",
        /// The task of the connection panicked: a fault of this program.
        Panic = "panic",
    }
}

impl Failure {
    /// As metrics call it.
    pub(crate) const fn label(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

reasons! {
    /// Why a datagram was not passed on.
    Loss {
        /// Every member of the pool is out.
        NoMember = "no_member",
        /// The member's host refused it, or there is no way there.
        Unreachable = "unreachable",
        /// The client is in none of the networks whose datagrams are taken.
        NotAllowed = "not_allowed",
        /// The client's source has as many flows as it may.
        SourceConnections = "source_connections",
        /// The client's source began too many flows within a second.
        SourceRate = "source_rate",
        /// The client's source is new, and no more are kept account of.
        SourceTable = "source_table",
        /// Every member that takes new flows has as many as it may.
        MembersFull = "members_full",
        /// There are as many flows as may be.
        FlowsFull = "flows_full",
        /// This process or machine is short of files, ports or memory.
        Shortage = "shortage",
        /// It is longer than a datagram on the other side can be.
        TooLong = "too_long",
        /// The kernel has no room for what is to be sent.
        SendBuffer = "send_buffer",
        /// The system refuses to send it.
        Unsendable = "unsendable",
    }
}
