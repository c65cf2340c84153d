import type { Called, RaApp, Sent } from './raApp.ts'
import { newCsr } from './world.ts'

export const INVENTORY = '/v1/certificates'

let names = 0

/** Orders over REST, and what the inventory shows of them. */
export function inventoryOf(used: { readonly app: RaApp }) {
  /** Orders a certificate for a name of its own; `more` goes into the body. */
  async function order({
    name = `n${++names}.test`,
    path = used.app.place.path,
    ...more
  }: Ordering = {}): Promise<Called> {
    const csr = await newCsr([name], { subject: { CN: name } })
    const body = { request: csr.der.toString('base64'), attributes: [], ...more }
    return used.app.call('post', `${path}/certificates`, { body })
  }
  return {
    order,
    ordered: async (more: Ordering = {}): Promise<string> => (await order(more)).json.uuid,
    detail: async (uuid: string, sent: Sent = {}) => (await used.app.call('get', `${INVENTORY}/${uuid}`, sent)).json,
  }
}

interface Ordering extends Record<string, unknown> {
  name?: string
  path?: string
}

/** An attribute with one value. */
export const attribute = (name: string, data: unknown, contentType = 'string') => ({
  name,
  contentType,
  content: [{ data }],
})
