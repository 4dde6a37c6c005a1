// Package conns moves the HTTP/1.1 connections of a server to another process between two requests.
//
// A connection is passed on as an open file, and only at a moment when the server holds no byte of the next request:
// everything that has arrived but has not been read is in the kernel and moves along. The client notices nothing.
// The process that receives the file serves it as a connection of its own.
//
// Such a moment may never come. These connections stay where they are, and are counted, until they close:
//
//   - connections with an unfinished request, even if only one byte of its first line has arrived
//   - hijacked connections
//   - HTTP/2 connections, and TLS connections once the client has sent anything
//   - connections that are neither TCP nor unix stream sockets
//
// If the server has unencrypted HTTP/2 enabled, HTTP/1.1 connections move only before their first request.
//
// A client may send requests before it has the responses to earlier ones (pipelining). The server answers those that it
// has read, in whole or in part; then the connection moves.
//
// A move loses two things. The values of http.Server.ConnContext are created anew by the receiving process. And net/http
// tolerates a client that sends an empty line after the body of a POST, which the standard forbids: if that line arrives
// after the move, the receiving process answers 400.
//
// # Finding the moment
//
// net/http reports through http.Server.ConnState that a response is out (StateIdle), but not what it has read of the next
// request: a byte that came while the handler ran, or more, in a buffer. The calls that the server makes on the connection
// show it. After StateIdle the server sets a read deadline, looks for the first four bytes of a request, and sets another
// deadline when it has them. A read between the two asks for as many bytes as the server's buffer has room for. So if
// a read asks for the size of the whole buffer, after StateIdle and exactly one deadline, the server holds nothing.
// The size is known from the first read of the connection.
//
// If another version of net/http did this differently, connections would never reach the state in which they move, and
// would stay: nearly every test would fail. Only a server that set no second deadline could move with a part of a
// request, and TestPipelined would fail.
package conns
