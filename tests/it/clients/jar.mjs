// What a browser does with cookies, for clients that run where there is no browser: a listener on loopback that adds them to
// every request and every socket on its way to the server.

import http from "node:http";

/**
 * @param {string} origin where the server is
 * @param {string} cookie the header that a browser would send
 * @returns {Promise<string>} the origin that clients shall use
 */
export async function openJar(origin, cookie) {
  const { hostname, port, host } = new URL(origin);
  const onward = ({ method, url, headers }) =>
    http.request({ hostname, port, method, path: url, headers: { ...headers, host, cookie } });
  const jar = http.createServer((request, response) => {
    const sent = onward(request);
    sent.on("response", (answer) => {
      response.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(response);
    });
    sent.on("error", () => response.destroy());
    request.pipe(sent);
  });
  jar.on("upgrade", (request, socket) => {
    const sent = onward(request);
    sent.on("upgrade", (answer, far, head) => {
      const lines = answer.rawHeaders.map((text, place) => (place % 2 ? `${text}\r\n` : `${text}: `));
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`);
      socket.write(head);
      far.pipe(socket).pipe(far);
      far.on("error", () => socket.destroy());
      socket.on("error", () => far.destroy());
    });
    sent.on("response", (answer) => socket.end(`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n\r\n`));
    sent.on("error", () => socket.destroy());
    sent.end();
  });
  await new Promise((resolve) => jar.listen(0, "127.0.0.1", resolve));
  jar.unref();
  return `http://127.0.0.1:${jar.address().port}`;
}
