import { Agent, request } from 'node:https'
import { gunzipSync } from 'node:zlib'

/** What came back, and what it cost on the way. */
export interface Answer {
  status: number
  location: string | undefined
  text: string
  /** Octets of the body as they were sent, and of the head's lines. */
  octets: number
  /** Milliseconds from the request to its last octet. */
  ms: number
}

/** Somebody at a browser: one kept connection, cookies, forms with their token. */
export interface ConsoleVisitor {
  get(path: string): Promise<Answer>
  /** Fills in a form of the page `from`, and sends it to `path`. */
  post(from: string, path: string, fields: Record<string, string>): Promise<Answer>
  /** REST as somebody with a token. Throws where it is refused. */
  rest<T>(token: string, path: string, body: unknown): Promise<T>
  leave(): void
}

/** `ca`: PEM of the root. */
export function consoleVisitor(port: number, ca: string): ConsoleVisitor {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca, servername: 'localhost' })
  const cookies = new Map<string, string>()
  const send = (method: string, path: string, headers: Record<string, string>, body?: string) =>
    new Promise<Answer>((resolve, reject) => {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const own = { ...(cookie === '' ? {} : { Cookie: cookie }), 'Accept-Encoding': 'gzip, deflate, br', ...headers }
      const begin = performance.now()
      const asked = request({
        agent,
        host: '127.0.0.1',
        port,
        path,
        method,
        headers: { Host: `localhost:${port}`, ...own },
      })
      asked.once('error', reject)
      asked.once('response', (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.once('error', reject)
        response.once('end', () => {
          const ms = performance.now() - begin
          const sent = Buffer.concat(parts)
          const { statusCode: status = 0, headers, rawHeaders } = response
          for (const line of headers['set-cookie'] ?? []) {
            const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
            if (value === '' || /Max-Age=0\b/.test(line)) cookies.delete(name)
            else cookies.set(name, value)
          }
          const text = (headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent).toString()
          const octets = sent.length + rawHeaders.join('\r\n').length
          resolve({ status, location: headers.location, text, octets, ms })
        })
      })
      asked.end(body)
    })
  const page = { Accept: 'text/html', 'Sec-Fetch-Site': 'same-origin' }
  const get = (path: string) => send('GET', path, page)
  return {
    get,
    async post(from, path, fields) {
      const [, csrf = ''] = /name="csrf" value="([^"]+)"/.exec((await get(from)).text) ?? []
      const headers = {
        ...page,
        Origin: `https://localhost:${port}`,
        'Content-Type': 'application/x-www-form-urlencoded',
      }
      return send('POST', path, headers, new URLSearchParams({ csrf, ...fields }).toString())
    },
    async rest(token, path, body) {
      const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
      const answer = await send('POST', path, headers, JSON.stringify(body))
      if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.text}`)
      return (answer.text === '' ? undefined : JSON.parse(answer.text)) as never
    },
    leave: () => agent.destroy(),
  }
}
