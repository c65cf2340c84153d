import { once } from 'node:events'
import { connect } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { useEstApp } from '../helpers/estApp.ts'

describe('EST: what is answered without its body', () => {
  const est = useEstApp()

  /** Sends the head, has another request answered meanwhile, sends the body. Gives what came before it, and all that came. */
  async function inTwo(head: string[], body: string): Promise<{ before: string; all: string }> {
    const port = est.app.server.ports.mtlsPort ?? 0
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    const closed = once(socket, 'close')
    let got = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      got += text
    })
    socket.write(`${['POST /.well-known/est/simpleenroll HTTP/1.1', 'Host: x', ...head].join('\r\n')}\r\n\r\n`)
    await once(socket, 'secureConnect')
    expect((await est.app.ask('/cacerts')).status).toBe(200)
    const before = got
    socket.write(body)
    await closed
    return { before, all: got }
  }

  it.each([
    { why: 'without a password', head: ['Content-Type: application/pkcs10'], status: 401 },
    { why: 'of another type', head: ['Content-Type: text/html', 'Authorization: Basic eDp5'], status: 415 },
  ])(
    '$why: the connection closes when the whole request was read, not over octets on their way',
    async ({ head, status }) => {
      const { before, all } = await inTwo([...head, 'Content-Length: 5000', 'Connection: close'], 'A'.repeat(5000))
      expect(before).toBe('')
      expect(all).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    },
  )

  it('nobody waits for a body that is too long', async () => {
    const head = ['Content-Type: application/pkcs10', 'Content-Length: 100000000', 'Connection: close']
    const { all } = await inTwo(head, '')
    expect(all).toMatch(/^HTTP\/1\.1 401 /)
  })
})
