//! gRPC through the proxy: HTTP/2 on both sides, with Debian's Python as client and server.

use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v4, v6, wait_for};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// Serves calls of every shape; what is sent needs no description, since it is octets.
const SERVER: &str = r"
import sys, grpc
from concurrent.futures import ThreadPoolExecutor
def fail(request, context):
    context.set_trailing_metadata((('x-sum', '7'),))
    context.abort(grpc.StatusCode.NOT_FOUND, 'nobody of this name')
class Calls(grpc.GenericRpcHandler):
    def service(self, call):
        return {
            '/t.T/Echo': grpc.unary_unary_rpc_method_handler(lambda request, context: request),
            '/t.T/Fail': grpc.unary_unary_rpc_method_handler(fail),
            '/t.T/Chat': grpc.stream_stream_rpc_method_handler(
                lambda requests, context: (b'<' + request + b'>' for request in requests)),
            '/t.T/Many': grpc.unary_stream_rpc_method_handler(
                lambda request, context: (request for _ in range(1000))),
        }.get(call.method)
server = grpc.server(ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((Calls(),))
assert server.add_insecure_port(sys.argv[1])
server.start()
server.wait_for_termination()
";

const CLIENT: &str = r"
import sys, queue, grpc
channel = grpc.insecure_channel(sys.argv[1])
echo = channel.unary_unary('/t.T/Echo')
assert echo(b'one', timeout=20) == b'one'
large = bytes(range(256)) * 8000
assert echo(large, timeout=20) == large
calls = [echo.future(b'%d' % number, timeout=20) for number in range(50)]
assert [call.result() for call in calls] == [b'%d' % number for number in range(50)]
assert list(channel.unary_stream('/t.T/Many')(b'part', timeout=20)) == [b'part'] * 1000
try:
    channel.unary_unary('/t.T/Fail')(b'', timeout=20)
    raise SystemExit('no failure')
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.NOT_FOUND, error
    assert error.details() == 'nobody of this name', error
    assert ('x-sum', '7') in error.trailing_metadata(), error
said = queue.Queue()
answers = channel.stream_stream('/t.T/Chat')(iter(said.get, None), timeout=20)
for word in (b'a', b'b', b'c'):
    said.put(word)
    assert next(answers) == b'<' + word + b'>'
said.put(None)
assert list(answers) == []
print('all is well')
";

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Debian's Python, whatever other comes first in the path: the packages are for this one.
fn python(script: &str, address: &str) -> Command {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", script, address]).env_remove("http_proxy").env_remove("https_proxy");
    python
}

#[test]
fn calls_of_every_shape_go_through() {
    let has_grpc =
        python("import grpc", "").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !has_grpc {
        assert!(std::env::var_os("CI").is_none(), "python3-grpcio is missing: apt-get install it");
        println!("SKIPPED: python3-grpcio is missing");
        return;
    }
    let member = v4(free_port());
    let _server = Server(python(SERVER, &member.to_string()).spawn().expect("the server starts"));
    wait_for("the server to listen", || TcpStream::connect(member).ok());
    let port = free_port();
    let config = Config::new("").listener("web", "http", port, "web", "").pool(
        "web",
        &format!("{UNCHECKED}\nprotocol = \"h2\""),
        &[member],
    );
    let gateway = Gateway::start(&config);
    let output = python(CLIENT, &v6(port).to_string()).output().expect("the client runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(told, "all is well\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        gateway.metric("member_connections_total{pool=\"web\",member=\"m0\"}") <= 2,
        "one for each worker"
    );
}
