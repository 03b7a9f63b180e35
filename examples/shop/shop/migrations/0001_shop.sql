-- Every table has a primary key: logical replication needs one.

CREATE TABLE products (
    sku text PRIMARY KEY,
    name text NOT NULL,
    price_cents int NOT NULL CHECK (price_cents >= 0)
);

-- What lies where: always the sum of its movements. Room is left in each page,
-- because these few rows change with every order.
CREATE TABLE stock (
    sku text REFERENCES products,
    place text CHECK (place IN ('shop', 'warehouse')),
    quantity int NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (sku, place)
) WITH (fillfactor = 50);

-- The id is the client's, the number is ours (with gaps: repeated writes use some).
CREATE TABLE orders (
    id text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    customer text NOT NULL,
    state text NOT NULL DEFAULT 'placed' CHECK (state IN ('placed', 'packed')),
    placed_at timestamptz NOT NULL DEFAULT now(),
    packed_at timestamptz,
    packed_by text,
    CHECK ((state = 'packed') = (packed_at IS NOT NULL AND packed_by IS NOT NULL))
);

CREATE INDEX orders_to_pack ON orders (number) WHERE state = 'placed';

CREATE TABLE order_lines (
    order_id text REFERENCES orders,
    sku text REFERENCES products,
    quantity int NOT NULL CHECK (quantity > 0),
    price_cents int NOT NULL CHECK (price_cents >= 0),
    PRIMARY KEY (order_id, sku)
);

CREATE TABLE transfers (
    id text PRIMARY KEY,
    from_place text NOT NULL,
    to_place text NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now(),
    CHECK (from_place <> to_place)
);

-- Why a quantity changed: an order, a transfer, or a delivery (neither).
CREATE TABLE stock_movements (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku text NOT NULL,
    place text NOT NULL,
    change int NOT NULL CHECK (change <> 0),
    order_id text REFERENCES orders,
    transfer_id text REFERENCES transfers,
    moved_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (sku, place) REFERENCES stock,
    CHECK (num_nonnulls(order_id, transfer_id) <= 1)
);

CREATE INDEX stock_movements_of_transfer ON stock_movements (transfer_id)
    WHERE transfer_id IS NOT NULL;
