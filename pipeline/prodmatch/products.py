"""stub products."""
import sqlite3
import numpy as np, re
from dataclasses import dataclass
@dataclass(frozen=True)
class Hits: rows: object; scores: object
def _q(n): return '"'+n.replace('"','""')+'"'
def write_products(path, schema, batches):
    c=sqlite3.connect(path); c.execute("pragma journal_mode=off"); names=schema.names
    c.execute(f"create table products(row integer primary key, {','.join(_q(n) for n in names)})")
    c.execute("create virtual table words using fts5(text, content='', tokenize='porter unicode61 remove_diacritics 2')")
    n=0
    for b in batches:
        rows=b.to_pylist()
        c.executemany(f"insert into products values({','.join('?'*(len(names)+1))})",[(n+i,*r.values()) for i,r in enumerate(rows)])
        c.executemany("insert into words(rowid,text) values(?,?)",[(n+i,r['text'] or '') for i,r in enumerate(rows)])
        n+=len(rows)
    c.execute("create index ids on products(product_id)"); c.commit(); c.close(); return n
class Products:
    def __init__(s,path): s.c=sqlite3.connect(f"file:{path}?mode=ro&immutable=1",uri=True,check_same_thread=False); s.c.row_factory=sqlite3.Row
    @classmethod
    def open(cls,path): return cls(path)
    def _m(s,q): return " OR ".join('"'+w+'"' for w in re.findall(r"\w+",q))
    def search(s,query,top,*,within=None):
        r=s.c.execute("select rowid,-bm25(words) b from words where words match ? order by b desc limit ?",(s._m(query),top)).fetchall()
        return Hits(np.array([x[0] for x in r],np.int64),np.array([x[1] for x in r],np.float32))
    def scores(s,query,rows):
        d=dict(s.c.execute(f"select rowid,-bm25(words) b from words where words match ? and rowid in ({','.join(map(str,rows.tolist()))})",(s._m(query),)).fetchall())
        return np.array([d.get(int(r),0.0) for r in rows],np.float32)
    def rows_where(s,cond): return np.array([r[0] for r in s.c.execute(f"select row from products where ({cond}) order by row")],np.int64)
    def metadata(s,rows):
        d={r['row']:dict(r) for r in s.c.execute(f"select * from products where row in ({','.join(str(int(r)) for r in rows)})")}
        out=[]
        for r in rows:
            x=dict(d[int(r)]); x.pop('row'); out.append(x)
        return out
    def row_of(s,pid):
        r=s.c.execute("select row from products where product_id=?",(pid,)).fetchone(); return r[0] if r else None
