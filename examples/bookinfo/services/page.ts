import type { Reply } from './caller.ts';

interface Details {
  readonly title: string;
  readonly author: string;
  readonly year: number;
  readonly pages: number;
}

interface Reviews {
  readonly version: string;
  readonly reviews: readonly { readonly reviewer: string; readonly text: string }[];
  readonly colour?: string;
  readonly ratings?: { readonly stars: readonly number[] } | null;
}

/** The product page as HTML. */
export function page(details: Reply, reviews: Reply): string {
  const book = details.status === 200 ? (JSON.parse(details.body) as Details) : undefined;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Bookinfo on Weft</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}h1{margin-bottom:0}
article{border-top:1px solid #ccc;padding:.5rem 0}small,.gone{color:#777}</style></head><body>
<h1>${escape(book?.title ?? 'A book')}</h1>
${book === undefined ? missing('details', details) : `<p>${escape(book.author)}, ${book.year}, ${book.pages} pages</p>`}
<h2>Reviews</h2>
${reviews.status === 200 ? list(JSON.parse(reviews.body) as Reviews) : missing('reviews', reviews)}
</body></html>
`;
}

function list(reviews: Reviews): string {
  const entries = reviews.reviews.map((review, index) => `<article><p>${escape(review.text)}</p><small>${escape(review.reviewer)} ${stars(reviews, index)}</small></article>`);
  return `${entries.join('\n')}\n<p><small>Served by reviews ${escape(reviews.version)}. Reload for another version.</small></p>`;
}

function stars(reviews: Reviews, index: number): string {
  if (reviews.colour === undefined) return '';
  if (reviews.ratings === null || reviews.ratings === undefined) return '<span class="gone">ratings are away</span>';
  return `<span style="color:${reviews.colour}">${'★'.repeat(reviews.ratings.stars[index] ?? 0)}</span>`;
}

function missing(part: string, reply: Reply): string {
  return `<p class="gone">${part} could not be had: ${reply.status === 0 ? '' : `${reply.status} `}${escape(reply.body.slice(0, 200))}</p>`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
