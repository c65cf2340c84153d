// Makes a key in the browser and a certificate request for it (PKCS #10, RFC 2986). The private key goes nowhere but into a file of its owner.
;(() => {
  const concat = (parts) => {
    const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
    let at = 0
    for (const part of parts) {
      whole.set(part, at)
      at += part.length
    }
    return whole
  }

  const lengthOf = (length) => {
    if (length < 128) return [length]
    const octets = []
    for (let left = length; left > 0; left = Math.floor(left / 256)) octets.unshift(left % 256)
    return [0x80 | octets.length, ...octets]
  }

  /** DER: tag, length, value. */
  const tlv = (tag, ...parts) => {
    const value = concat(parts)
    return concat([new Uint8Array([tag, ...lengthOf(value.length)]), value])
  }

  const utf8 = (text) => new TextEncoder().encode(text)
  const sequence = (...parts) => tlv(0x30, ...parts)

  const oid = (dotted) => {
    const [first, second, ...rest] = dotted.split('.').map(Number)
    const octets = [first * 40 + second]
    for (const arc of rest) {
      const base128 = [arc % 128]
      for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
        base128.unshift(128 + (left % 128))
      octets.push(...base128)
    }
    return tlv(0x06, new Uint8Array(octets))
  }

  /** An unsigned number, big-endian, as INTEGER. */
  const integer = (octets) => {
    let from = 0
    while (from < octets.length - 1 && octets[from] === 0) from++
    const least = octets.slice(from)
    return tlv(0x02, least[0] & 0x80 ? new Uint8Array([0, ...least]) : least)
  }

  /** The most significant first. */
  const attributes = { C: '2.5.4.6', ST: '2.5.4.8', L: '2.5.4.7', O: '2.5.4.10', OU: '2.5.4.11', CN: '2.5.4.3' }

  const nameOf = (subject) =>
    sequence(
      ...Object.entries(attributes).flatMap(([type, id]) => {
        const value = (subject[type] ?? '').trim()
        if (value === '') return []
        // A country is a PrintableString, all else UTF-8 (RFC 5280 section 4.1.2.4).
        return [tlv(0x31, sequence(oid(id), tlv(type === 'C' ? 0x13 : 0x0c, utf8(value))))]
      }),
    )

  const addressOf = (text) => {
    const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
    if (four) {
      const octets = four.slice(1).map(Number)
      return octets.every((octet) => octet < 256) ? new Uint8Array(octets) : undefined
    }
    if (!text.includes(':') || !/^[0-9a-f:.]+$/i.test(text)) return undefined
    let host
    try {
      host = new URL(`http://[${text}]/`).hostname.slice(1, -1)
    } catch {
      return undefined
    }
    const [head, tail] = host.split('::')
    const groups = (part) => (part ? part.split(':') : [])
    const missing = 8 - groups(head).length - groups(tail).length
    const all = tail === undefined ? groups(head) : [...groups(head), ...Array(missing).fill('0'), ...groups(tail)]
    return new Uint8Array(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]))
  }

  const hostOf = (text) => {
    if (/^[!-~]+$/.test(text)) return text.toLowerCase()
    // As browsers write names of other alphabets: xn--…
    return new URL(`http://${text}/`).hostname
  }

  const ascii = (text) => {
    if (!/^[!-~]+$/.test(text)) throw new Error(`${text} is no name that a certificate can have`)
    return utf8(text)
  }

  /** GeneralName, RFC 5280 section 4.2.1.6, by the form of the text. */
  const generalName = (word) => {
    const text = word.replace(/^(?:dns|ip|email|uri):(?!\/\/)/i, '')
    const address = addressOf(text)
    if (address) return tlv(0x87, address)
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return tlv(0x86, ascii(text))
    if (text.includes('@')) return tlv(0x81, ascii(text))
    return tlv(0x82, ascii(hostOf(text)))
  }

  const namesAttribute = (words) => {
    if (words.length === 0) return tlv(0xa0)
    const names = sequence(...words.map(generalName))
    const extension = sequence(oid('2.5.29.17'), tlv(0x04, names))
    return tlv(0xa0, sequence(oid('1.2.840.113549.1.9.14'), tlv(0x31, sequence(extension))))
  }

  const kinds = {
    'P-256': { name: 'ECDSA', namedCurve: 'P-256' },
    'RSA-2048': rsa(2048),
    'RSA-3072': rsa(3072),
  }

  function rsa(modulusLength) {
    const publicExponent = new Uint8Array([1, 0, 1])
    return { name: 'RSASSA-PKCS1-v1_5', modulusLength, publicExponent, hash: 'SHA-256' }
  }

  const signatureOf = async (key, signed) => {
    if (key.algorithm.name !== 'ECDSA') {
      const signature = new Uint8Array(await crypto.subtle.sign('RSASSA-PKCS1-v1_5', key, signed))
      return { algorithm: sequence(oid('1.2.840.113549.1.1.11'), tlv(0x05)), signature }
    }
    const raw = new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, signed))
    const half = raw.length / 2
    const signature = sequence(integer(raw.slice(0, half)), integer(raw.slice(half)))
    return { algorithm: sequence(oid('1.2.840.10045.4.3.2')), signature }
  }

  const pem = (label, der) => {
    const base64 = btoa(Array.from(der, (octet) => String.fromCharCode(octet)).join(''))
    return `-----BEGIN ${label}-----\n${base64.match(/.{1,64}/g).join('\n')}\n-----END ${label}-----\n`
  }

  /** Both as PEM: the request, and its private key (PKCS #8). */
  const makeRequest = async ({ kind, subject, names }) => {
    const algorithm = kinds[kind]
    if (!algorithm) throw new Error(`keys of kind ${kind} are not made in the browser`)
    const words = [...new Set(names.split(/[\s,;]+/).filter((word) => word !== ''))]
    const asked = [nameOf(subject), namesAttribute(words)]
    const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey))
    const info = sequence(tlv(0x02, new Uint8Array([0])), asked[0], spki, asked[1])
    const { algorithm: signedBy, signature } = await signatureOf(privateKey, info)
    const request = sequence(info, signedBy, tlv(0x03, new Uint8Array([0]), signature))
    const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', privateKey))
    return { request: pem('CERTIFICATE REQUEST', request), privateKey: pem('PRIVATE KEY', pkcs8) }
  }
  globalThis.browserKeys = { makeRequest }

  if (typeof document === 'undefined') return
  for (const panel of document.querySelectorAll('[data-keys]')) attach(panel)

  function attach(panel) {
    const form = panel.closest('form')
    const [button, status] = [panel.querySelector('button'), panel.querySelector('[role=status]')]
    const area = form.querySelector('textarea[name=csr]')
    const senders = form.querySelectorAll('button[name=do]')
    const value = (name) => form.elements[name]?.value ?? ''
    panel.hidden = false
    let link
    // What was made is for these names: others need a key anew.
    const offer = (made) => {
      for (const sender of senders) sender.disabled = !made
    }
    if (area.value === '') offer(false)
    form.addEventListener('input', (event) => {
      if (!event.target.matches('[name=names], [name=kind], [name^="subject-"]') || area.value === '') return
      area.value = ''
      offer(false)
      status.textContent = 'The names have changed: make the key again.'
    })
    button.addEventListener('click', async () => {
      button.disabled = true
      status.textContent = 'The key is being made …'
      try {
        const subject = Object.fromEntries(Object.keys(attributes).map((type) => [type, value(`subject-${type}`)]))
        const { request, privateKey } = await makeRequest({ kind: value('kind'), subject, names: value('names') })
        if (link) {
          URL.revokeObjectURL(link.href)
          link.remove()
        }
        link = document.createElement('a')
        link.href = URL.createObjectURL(new Blob([privateKey], { type: 'application/x-pem-file' }))
        link.download = 'private-key.pem'
        link.className = 'button primary'
        link.textContent = 'Save the private key'
        link.addEventListener('click', () => {
          area.value = request
          offer(true)
          status.textContent = 'The key is yours alone. Keep the file, then send the request.'
        })
        status.textContent = 'The key is made. Save it before you send the request: it is nowhere else.'
        panel.append(link)
        link.focus()
      } catch (error) {
        status.textContent = `No key was made: ${error.message}`
      }
      button.disabled = false
    })
  }
})()
