// Package conns moves the HTTP/1.1 connections of a server to another process between two requests.
//
// A connection is passed on by its open file, and only at a moment when the server holds no byte of the next request: all
// that has arrived and not been read is in the kernel, and goes along. The client notices nothing. Who takes the file serves
// it as a connection of its own.
//
// Such a moment may never come. These stay where they are, and are counted, until they close:
//
//   - connections on which a request has begun and doesn't end, were it one byte of its first line
//   - connections that were hijacked
//   - connections of HTTP/2, and those of TLS once the client has said anything
//   - connections that are neither TCP nor unix stream sockets
//
// With unencrypted HTTP/2 enabled in the server, HTTP/1.1 connections move only before their first request.
//
// A client may send requests before it has the responses to earlier ones (pipelining). Those that the server has read, in
// whole or in part, are answered here, and the connection moves after them.
//
// Two things are lost in a move. The values of http.Server.ConnContext are made anew by the taker. And net/http forgives a
// client that sends an empty line after the body of a POST, against the standard: when that line arrives after the move, the
// taker answers 400.
//
// # How the moment is told
//
// net/http says through http.Server.ConnState that a response is out (StateIdle), but not what it has read of the next
// request: a byte that came while the handler ran, or more, in a buffer. What a connection sees of its server tells that.
// After StateIdle the server sets a read deadline, looks for the first four bytes of a request, and sets another deadline
// when it has them. When it reads between the two, it asks for as many bytes as its buffer has room for. So a read that
// asks for the size of the whole buffer, after StateIdle and exactly one deadline, is made by a server that holds nothing.
// The size is known from the first read of the connection.
//
// If another version of net/http did this otherwise, a connection would not be in the state where it moves and would stay:
// the tests would fail, all of them. Only a server that set no second deadline could move with a part of a request;
// TestPipelined would fail.
package conns
