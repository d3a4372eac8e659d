-- Listings: native names that stand for something which is no package here. What was taken out keeps
-- its row, so that numbers are never given again.
CREATE TABLE listings (
    ecosystem TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (ecosystem, name)
) STRICT;
CREATE INDEX listings_by_number ON listings (number);
