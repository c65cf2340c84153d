/** Tells on standard error, where that is a terminal, that something takes longer than a second. */
export async function progress<T>(work: Promise<T>): Promise<T> {
  const { stderr } = process
  if (!stderr.isTTY || process.env.TERM === 'dumb') return work
  const begun = Date.now()
  let told = false
  const timer = setInterval(() => {
    told = true
    stderr.write(`\rstill at it, ${Math.round((Date.now() - begun) / 1000)} s`)
  }, 1000)
  try {
    return await work
  } finally {
    clearInterval(timer)
    if (told) stderr.write(erasedLine)
  }
}

/** Back to its first column, and nothing right of that (ECMA-48, EL). */
const erasedLine = '\r\u001b[K'
