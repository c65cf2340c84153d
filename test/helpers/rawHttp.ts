import { request as requestHttp } from 'node:http'
import { type RequestOptions, request as requestHttps } from 'node:https'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface Answered {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
  text: string
}

export interface Asked extends RequestOptions {
  tls?: boolean
  ca?: string
  port: number
  /** The request target, as it goes over the wire. */
  path: string
  body?: Buffer | string
}

/** One request over the network; certificates are not checked unless `ca` is given. */
export function ask({ tls = false, body, ...options }: Asked): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const all = { host: '127.0.0.1', rejectUnauthorized: options.ca !== undefined, servername: 'localhost', ...options }
    const request = (tls ? requestHttps : requestHttp)(all, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(chunks)
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes, text: bytes.toString() })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** Writes these bytes to a port and collects what comes back until the other end closes. */
export function exchange(port: number, bytes: string | Buffer, options: { tls?: boolean } = {}): Promise<string> {
  return new Promise((resolve) => {
    const to = { host: '127.0.0.1', port }
    const socket = options.tls ? connectTls({ ...to, rejectUnauthorized: false }) : connect(to)
    let got = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      got += text
    })
    // A connection that was cut ends all the same.
    socket.on('error', () => {}).on('close', () => resolve(got))
    socket.write(bytes)
  })
}
