import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { readOcsp } from '../helpers/ocspAnswer.ts'
import { ocspRequest, useStatusServer } from '../helpers/statusServer.ts'

const it = useStatusServer()

/** Pipelined on one connection, so that both heads come in one turn: a GET, and the head of a POST of this body. */
async function getThenHead(path: string, body: Buffer) {
  const socket = connect({ host: '127.0.0.1', port: it.status.server.ports.httpPort })
  let got = ''
  let heard = () => {}
  socket.setEncoding('latin1').on('data', (text: string) => {
    got += text
    heard()
  })
  const answers = async (count: number) => {
    while (got.split('HTTP/1.1 200').length <= count)
      await new Promise<void>((resolve) => {
        heard = resolve
      })
  }
  const head = [
    'POST /ocsp/issuing HTTP/1.1',
    'Host: ca.test',
    'Content-Type: application/ocsp-request',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ]
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ca.test\r\n\r\n${head.join('\r\n')}\r\n\r\n`)
  await answers(1)
  const closed = new Promise((resolve) => socket.on('close', resolve))
  return async () => {
    socket.write(body)
    await closed
    return Buffer.from(got.slice(got.lastIndexOf('\r\n\r\n') + 4), 'latin1')
  }
}

test.each([{ nonce: undefined }, { nonce: Buffer.alloc(16, 7) }])(
  'what is revoked between the head of a request and its body is revoked ($nonce)',
  async ({ nonce }) => {
    const { status } = it
    const certificate = await status.issue('late.example.org')
    const plain = ocspRequest(status.issuer, [certificate.serial])
    const path = `/ocsp/issuing/${encodeURIComponent(plain.toString('base64'))}`
    const body = nonce ? ocspRequest(status.issuer, [certificate.serial], { nonce }) : plain
    const sendBody = await getThenHead(path, body)
    await status.revoke(certificate)
    expect(readOcsp(await sendBody()).statuses.join()).toMatch(/^revoked /)
  },
)
