/** What libpq calls the kind of server that is wanted. Another kind than one that takes writes is of no use here. */
const writable = ['read-write', 'primary']

/**
 * The servers of a `postgres://` URL, each as a URL of its own, in their order. Several are written as libpq reads them: `postgres://user@one:5432,other:5432/name`,
 * or `?host=one,other&port=5432,5433`, with one port for all or one for each. Throws Error for a `target_session_attrs` that takes a standby.
 */
export function serversOf(url: string): string[] {
  const [, before = '', authority = '', path = '', query = ''] =
    /^([a-z]+:\/\/(?:[^@/?#]*@)?)([^/?#]*)([^?#]*)(?:\?([^#]*))?/i.exec(url) ?? []
  const parameters = new URLSearchParams(query)
  const wanted = parameters.get('target_session_attrs')
  const hosts = parameters.get('host')?.split(',')
  if (wanted === null && !authority.includes(',') && (hosts?.length ?? 1) === 1) return [url]
  if (wanted !== null && !writable.includes(wanted))
    throw new Error(`target_session_attrs=${wanted}: only servers that take writes are of use (${writable.join(', ')})`)
  parameters.delete('target_session_attrs')
  if (!hosts) return authority.split(',').map((host) => `${before}${host}${path}${asQuery(parameters)}`)
  const ports = parameters.get('port')?.split(',') ?? []
  if (ports.length > 1 && ports.length !== hosts.length) throw new Error('one port for all hosts, or one for each')
  return hosts.map((host, at) => {
    const own = new URLSearchParams(parameters)
    own.set('host', host)
    const port = ports[at] ?? ports[0]
    if (port !== undefined) own.set('port', port)
    return `${before}${authority}${path}${asQuery(own)}`
  })
}

function asQuery(parameters: URLSearchParams): string {
  const text = parameters.toString()
  return text === '' ? '' : `?${text}`
}
